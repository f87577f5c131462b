"""The place of a run whose videos or results lie in object storage or on web servers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

from autrt.cloud.store import Store, require_writable
from autrt.results.names import results_path
from autrt.run.cloud.door import CloudDoor
from autrt.run.cloud.exchange import CloudExchange
from autrt.run.cloud.files import CloudFiles
from autrt.run.cloud.inputs import RemoteInputs
from autrt.run.cloud.manifest_copies import ManifestCopies
from autrt.run.cloud.outputs import RemoteOutputs
from autrt.run.cloud.work_folder import WorkFolder, undelivered
from autrt.run.job import Outcome
from autrt.run.options import InferOptions
from autrt.run.place import Place, merged, require_distinct
from autrt.run.results_index import ResultsIndex
from autrt.run.work_list import WorkList
from autrt.settings import CACHE_BYTES
from autrt.storage.disk import make_folder, writing
from autrt.storage.remote_url import Location, RemoteUrl
from autrt.types import Source
from autrt.video.discover_remote import discover_remote


class CloudPlace(Place):
    """See `Place`. Listings are read now, and what earlier runs recorded; nothing is written.

    Args:
        options: of the run.
    """

    def __init__(self, options: InferOptions) -> None:
        out = options.out
        if isinstance(out, RemoteUrl):
            require_writable(out)
        store_of = cache(Store)
        remote = [url for url in options.inputs if isinstance(url, RemoteUrl)]
        found = [source for url in remote for source in discover_remote(url, store_of(url.scheme))]
        require_distinct(source.relative for source in found)
        self._work = WorkFolder(str(out))
        super().__init__(out if isinstance(out, Path) else self._work.results)
        limit_bytes = options.cache_size or min(CACHE_BYTES, shutil.disk_usage(self._work.path).free // 2)
        self._inputs = RemoteInputs(self._work.path / "videos", found, limit_bytes)
        self._outputs = None if isinstance(out, Path) else self._open_outputs(out, store_of)
        self._found_manifests: list[Path] = []
        if self._outputs is not None:
            self.name, self.door = self._outputs.name, CloudDoor(self._outputs.store, self._outputs.top)
            self._adopt(self._outputs)
        self.files = CloudFiles(self._inputs, self._outputs)
        self.exchange: CloudExchange = CloudExchange(
            self._inputs, self._outputs, limit_bytes, self._work.token
        )

    def _open_outputs(self, out: RemoteUrl, store_of: Callable[[str], Store]) -> RemoteOutputs:
        with writing(self.out):
            make_folder(self.out)
        store = store_of(out.scheme)
        return RemoteOutputs(store, store.path(out), self.out)

    def _adopt(self, outputs: RemoteOutputs) -> None:
        """Take over what runs of this machine left that died: results and records that were not delivered."""
        tokens: set[str] = set()
        for dead in self._work.dead():
            left = dead / "results"
            for path in undelivered(left):
                target = self.out / path.relative_to(left)
                if path.suffix == ".jsonl":
                    tokens.add(path.stem.removeprefix("manifest."))
                    self._found_manifests.append(target)
                make_folder(target.parent)
                path.replace(target)
            shutil.rmtree(dead, ignore_errors=True)
        outputs.fetch_records(without=frozenset(tokens))

    def sources(self, options: InferOptions) -> list[Source]:
        """See `Place`."""
        local = any(isinstance(path, Path) for path in options.inputs)
        here = super().sources(options) if local or options.plan is not None else []
        return merged([here, self._inputs.sources()])

    def is_here(self, source: Source) -> bool:
        """See `Place`."""
        return source not in self._inputs

    def target(self, source: Source) -> Location:
        """See `Place`."""
        path = results_path(self.out, source.relative)
        return path if self._outputs is None else RemoteUrl(self._outputs.shown(path))

    def deliver_found(self, work: WorkList, index: ResultsIndex) -> None:
        """See `Place`."""
        outputs = self._outputs
        for source in work.done if outputs is not None else ():
            assert outputs is not None
            known = index.find(source.relative, results_path(self.out, source.relative))
            if known is None or not outputs.undelivered(source.relative):
                continue
            found = Outcome(
                relative=source.relative, status="found", run_digest=known.run_digest, finished=known
            )
            if finished := outputs.deliver(found).finished:
                index.add(source.relative, finished)

    def close(self) -> None:
        """Send the records, and remove the work folder unless something in it could not be delivered."""
        if self._outputs is not None:
            for manifest in self._found_manifests:
                ManifestCopies(self._outputs.store, self._outputs.top, manifest).send()
                manifest.unlink()
        self.exchange.forget_manifest()
        self._work.close()
