"""autrt: facial Action Units in archives of video, fast.

`infer` processes archives as the command `autrt infer` does, `recognise` yields the frames of one video,
`Recogniser` takes pictures in memory and live streams, and `open_results` reads results files. See `autrt.api`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autrt.api import InferPlan as InferPlan
    from autrt.api import Outcome as Outcome
    from autrt.api import PlannedVideo as PlannedVideo
    from autrt.api import RecognisedFace as RecognisedFace
    from autrt.api import RecognisedFaces as RecognisedFaces
    from autrt.api import RecognisedFrame as RecognisedFrame
    from autrt.api import Recogniser as Recogniser
    from autrt.api import Results as Results
    from autrt.api import RunProgress as RunProgress
    from autrt.api import RunSummary as RunSummary
    from autrt.api import infer as infer
    from autrt.api import open_dataset as open_dataset
    from autrt.api import open_results as open_results
    from autrt.api import plan as plan
    from autrt.api import recognise as recognise

__version__ = "0.1.0"

_MODULES = {
    **dict.fromkeys(("Results", "open_results"), "autrt.results.reader"),
    "open_dataset": "autrt.results.dataset",
    **dict.fromkeys(("InferPlan", "Outcome", "PlannedVideo", "infer", "plan"), "autrt.api"),
    **dict.fromkeys(("RunProgress", "RunSummary"), "autrt.api"),
    **dict.fromkeys(("RecognisedFace", "RecognisedFaces", "RecognisedFrame"), "autrt.api"),
    **dict.fromkeys(("Recogniser", "recognise"), "autrt.api"),
}
"""Public name → the module that has it."""

__all__ = ["__version__", *_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Load public names on first use, so that `import autrt` stays cheap."""
    if name not in _MODULES:
        raise AttributeError(f"module 'autrt' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """Return the public names, whether they were loaded or not."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
