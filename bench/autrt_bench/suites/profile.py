"""Processor time and waits of `autrt infer` by stage, for pictures and for clips of several sizes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import av
import cv2

from autrt_bench.inputs.clips import ClipVariant, demo_clip, make_longer, make_variant
from autrt_bench.measure.command import run_command
from autrt_bench.measure.stage_sampler import OTHERS, STAGES, SYNC
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Values

STILL_PX: Final = 512
SHORT_FRAMES: Final = 48

ALL: Final = Metric(name="processor time", unit="ms/frame", better="lower")
START: Final = Metric(name="start", unit="s", better="lower")

_PROFILE: Final = "autrt_bench.measure.profile_infer"


def profile(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Sample `autrt infer --workers 1`, whose threads all belong to one process."""
    if not Path("/proc/self/schedstat").exists():
        yield Skipped("profile", "it needs Linux's /proc/PID/schedstat")
        return
    clip = settings.clips[0] if settings.clips else demo_clip(settings.log)
    with TemporaryDirectory(prefix="autrt-bench-") as folder:
        yield Group(
            cases=[
                Case(name, partial(_repeat, settings, inputs, options))
                for name, inputs, options in _inputs(clip, settings, Path(folder))
            ]
        )


def _inputs(clip: Path, settings: BenchSettings, folder: Path) -> Iterator[tuple[str, Path, tuple[str, ...]]]:
    """Yield the name of each case, the file or folder that it does, and further options."""
    few = settings.quick

    def variant(width: int, height: int, frames: int) -> Path:
        recipe = ClipVariant(width=width, height=height, frames=frames)
        return make_variant(clip, recipe, settings.log)

    pictures = _pictures(clip, folder / "pictures", 24 if few else 120)
    yield "pictures", pictures, ()
    yield "pictures, one results file", pictures, ("--stills", "folder")
    short = variant(640, 360, SHORT_FRAMES)
    yield "clips of 2 s", _copies(short, folder / "clips", 4 if few else 20), ()
    yield "1 clip", clip, ()
    if not few:
        yield "1 minute", make_longer(clip, 1, settings.log), ()
    yield "1080p", variant(1920, 1080, SHORT_FRAMES if few else 240), ()
    yield "4K", variant(3840, 2160, 24 if few else 120), ()


def _pictures(clip: Path, folder: Path, count: int) -> Path:
    """Write frames of a clip as JPEGs of `STILL_PX`, under names that make each a picture of its own."""
    folder.mkdir()
    with av.open(str(clip)) as video:
        for number, frame in enumerate(islice(video.decode(video=0), count)):
            picture: Any = frame.to_ndarray(format="bgr24")
            scale = STILL_PX / max(picture.shape[:2])
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / f"picture{number}x.jpg"), small)
    return folder


def _copies(clip: Path, folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        shutil.copy(clip, folder / f"{number}{clip.suffix}")
    return folder


def _repeat(settings: BenchSettings, inputs: Path, further: Sequence[str]) -> Values:
    """Profile one run."""
    with TemporaryDirectory(prefix="autrt-bench-") as scratch:
        report = Path(scratch) / "report.json"
        model = ["--model", str(settings.model.path.resolve())] if settings.model_named else []
        options = [
            "infer",
            str(inputs),
            "--out",
            f"{scratch}/out",
            "--workers",
            "1",
            "--progress",
            "json",
            *model,
            *further,
        ]
        cost = run_command([sys.executable, "-m", _PROFILE, str(report), *options])
        found = json.loads(report.read_text())
    ended = [event for _, event in cost.events() if event["event"] == "video"]
    return _values(found["cpu_s"], found["idle_s"], sum(event["frames"] for event in ended), len(ended))


def _values(cpu_s: dict[str, float], idle_s: dict[str, float], frames: int, files: int) -> Values:
    """Return the processor time of each stage a frame, and the idle time a file."""
    per_frame = {
        Metric(name=stage, unit="ms/frame", better="lower"): 1e3 * cpu_s.get(stage, 0.0) / frames
        for stage in dict.fromkeys((*STAGES.values(), OTHERS))
        if stage != START.name
    }
    idle = {
        Metric(name=f"idle: {where}", unit="ms/file", better="lower"): 1e3 * idle_s.get(where, 0.0) / files
        for where in (SYNC, OTHERS)
    }
    return {ALL: sum(per_frame.values()), START: cpu_s.get(START.name, 0.0), **per_frame, **idle}
