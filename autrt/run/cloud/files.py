"""The videos and results files of a run, some of them in object storage, as the rules of a run look at them."""

from __future__ import annotations

from pathlib import Path

from autrt.results.source_state import SourceState
from autrt.run.cloud.inputs import RemoteInputs
from autrt.run.cloud.outputs import RemoteOutputs
from autrt.run.files import Files
from autrt.run.finished_file import FileState
from autrt.types import Source


class CloudFiles(Files):
    """Looks at listings, and reads what they do not say.

    Args:
        inputs: the remote videos.
        outputs: the results; None where these are on this machine.
    """

    def __init__(self, inputs: RemoteInputs, outputs: RemoteOutputs | None) -> None:
        self._inputs, self._outputs = inputs, outputs

    def exists(self, source: Source) -> bool:
        """See `Files`."""
        return self._inputs.exists(source) if source in self._inputs else super().exists(source)

    def is_kind(self, source: Source, kind: str) -> bool:
        """See `Files`; only its content says whether a file such as .webp holds one picture or several."""
        one_file = ("still", "video")
        return super().is_kind(source, kind) or (
            source in self._inputs and kind in one_file and source.kind in one_file
        )

    def source_state(self, source: Source) -> SourceState:
        """See `Files`."""
        return self._inputs.state(source) if source in self._inputs else super().source_state(source)

    def fingerprint(self, source: Source) -> str:
        """See `Files`."""
        return self._inputs.fingerprint(source) if source in self._inputs else super().fingerprint(source)

    def results_state(self, target: Path) -> FileState | None:
        """See `Files`."""
        return super().results_state(target) if self._outputs is None else self._outputs.state(target)

    def results_file(self, target: Path) -> Path:
        """See `Files`."""
        return super().results_file(target) if self._outputs is None else self._outputs.file(target)
