"""`autrt infer` run in a process of its own, with its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from autrt_bench.measure.command import CommandCost, autrt
from autrt_bench.types import BenchSettings, Metric

PEAK: Final = Metric(name="peak memory", unit="MB", better="lower")
SPEED: Final = Metric(name="speed", unit="frames/s", better="higher")

_EVENTS: Final = ("begin", "progress", "video")


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRun:
    """One run of `autrt infer`."""

    cost: CommandCost
    frames: int
    faces: int
    first_frame_s: float
    """Time from the command's start until the first frames are done."""
    run_s: float
    """Time from opened networks to the last results file."""

    @property
    def peak_mb(self) -> float:
        """Largest resident memory in 10⁶ bytes."""
        return self.cost.peak_bytes / 1e6


def infer(clips: Sequence[Path], settings: BenchSettings, *options: str) -> InferRun:
    """Run the command over some videos, into a temporary folder.

    Args:
        clips: files, or folders of them.
        settings: its model is used where the user named one.
        options: further options of `autrt infer`.

    Raises:
        AutrtError: it fails.
    """
    with TemporaryDirectory(prefix="autrt-bench-") as out:
        return infer_into(Path(out), clips, settings, *options)


def infer_into(out: Path, clips: Sequence[Path], settings: BenchSettings, *options: str) -> InferRun:
    """Run the command over some videos, with results in `out`."""
    model = ["--model", str(settings.model.path.resolve())] if settings.model_named else []
    cost = autrt("infer", *clips, "--out", out, "--progress", "json", *model, *options)
    at = {name: [(s, event) for s, event in cost.events() if event["event"] == name] for name in _EVENTS}
    ended = [event for _, event in at["video"]]
    return InferRun(
        cost=cost,
        frames=sum(event["frames"] for event in ended),
        faces=sum(event["faces"] for event in ended),
        first_frame_s=at["progress"][0][0],
        run_s=at["video"][-1][0] - at["begin"][0][0],
    )
