"""Decoders alone, by codec and size: frames in their own planes, and converted to RGB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from autrt.errors import AutrtError
from autrt.extras import load_part
from autrt.types import Source
from autrt.video.open import open_decoder
from autrt_bench.inputs.clips import ClipVariant, demo_clip, make_variant
from autrt_bench.measure.timing import time_work
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Values

SPEED: Final = Metric(name="speed", unit="frames/s", better="higher")
CORES: Final = Metric(name="cores used", unit="", better="neither")

SIZES: Final = ((640, 360), (1920, 1080))
CODECS: Final = ("h264", "hevc", "vp9", "av1", "mjpeg")
QUICK_CODECS: Final = ("h264",)
FRAMES: Final = 150

DECODERS: Final = {
    "pyav": "autrt_bench.suites.decode:decode_planes",
    "pyav to RGB": "autrt_bench.suites.decode:decode_rgb",
    "dali": "autrt_bench.measure.decode_dali:decode_dali",
}
"""Name → "module:function" that decodes a whole file and returns the number of its frames."""


def decode(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure decoders on the given clips, otherwise on the demo clip in each codec and size."""
    for name, clip in _clips(settings):
        cases: list[Case] = []
        for decoder in DECODERS:
            try:
                load_part("decoder", decoder, DECODERS)(clip)  # a first pass, which also says whether it can
            except AutrtError as error:
                yield Skipped(f"{decoder} {name}", str(error))
                continue
            cases.append(Case(f"{decoder} {name}", partial(_repeat, decoder, clip)))
        yield Group(cases=cases)


def _clips(settings: BenchSettings) -> Iterator[tuple[str, Path]]:
    if settings.clips:
        yield from ((clip.name, clip) for clip in settings.clips)
        return
    demo = demo_clip(settings.log)
    for codec in QUICK_CODECS if settings.quick else CODECS:
        for width, height in SIZES:
            recipe = ClipVariant(width=width, height=height, codec=codec, frames=FRAMES)
            yield f"{codec} {width}×{height}", make_variant(demo, recipe, settings.log)


def _repeat(decoder: str, clip: Path) -> Values:
    counts: list[int] = []
    decode_file = load_part("decoder", decoder, DECODERS)
    took = time_work(lambda: counts.append(decode_file(clip)))
    return {SPEED: counts[0] / took.wall_s, CORES: took.cores_used}


def decode_planes(clip: Path) -> int:
    """Decode with the pipeline's decoder and return the number of frames."""
    with closing(open_decoder(Source(clip, clip.name, "video"))) as decoder:
        return sum(1 for _ in decoder)


def decode_rgb(clip: Path) -> int:
    """Decode and convert each whole frame to RGB, which the pipeline never does; return the number of frames."""
    with closing(open_decoder(Source(clip, clip.name, "video"))) as decoder:
        return sum(len(frame.image.rgb()) > 0 for frame in decoder)
