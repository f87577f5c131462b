"""Sections processed apart and joined give the rows of the whole video, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autrt.face.coarse_to_fine import CLEAR
from autrt.face.detect import FRAME_CANVASES, Letterbox
from autrt.pipeline.join_sections import join_sections
from autrt.pipeline.recognise import recognised_blocks, recognised_segments
from autrt.pipeline.segment_file import SegmentWriter, read_segments
from autrt.pipeline.split_people import split_people
from autrt.pipeline.to_blocks import to_blocks
from autrt.settings import InferSettings
from autrt.types import Frame
from autrt.video.packet_scan import IrregularFileError
from tests.support.fakes import (
    INFO,
    FakeDecoder,
    FakeEngine,
    FakeImage,
    ScriptedDetector,
    ScriptedFace,
    fake_networks,
    scripted_frames,
)

SIDE = CLEAR.side_px * 4


class FastDetector(ScriptedDetector):
    """Finds clear faces alone, and none in some frames."""

    def letterbox(self, image, pixel_aspect=Fraction(1)):
        return Letterbox.fit(image.width, image.height, FRAME_CANVASES["coarse"], pixel_aspect)

    def submit(self, image, pixel_aspect=Fraction(1)):
        everybody, self.faces = self.faces, [f for f in self.faces if f.side >= SIDE and image.number % 5]
        try:
            return super().submit(image, pixel_aspect)
        finally:
            self.faces = everybody


@dataclass
class Wavering(ScriptedFace):
    """A face whose score is weak from a frame on: a track goes on with it, but none begins."""

    weak: Callable[[int], bool] = lambda number: False


class WaveringDetector(ScriptedDetector):
    def submit(self, image, pixel_aspect=Fraction(1)):
        future = super().submit(image, pixel_aspect)
        found = future.result()
        here = [f for f in self.faces if f.seen(image.number)]
        score = [0.4 if f.weak(image.number) else f.score for f in here]
        weak = type(future)()
        weak.set_result(replace(found, score=np.array(score, np.float32)))
        return weak


def networks_of(faces, large: bool):
    networks = fake_networks(faces, FakeEngine(batch=5))
    detector = WaveringDetector(faces)
    return replace(
        networks, detectors={"small": detector, "large": detector}, fast_detector=FastDetector(faces)
    )


class Video:
    """A scripted video that can be run from any frame on."""

    def __init__(self, frames: list[Frame], faces, *, large: bool = False, quality: str = "balanced") -> None:
        self.frames, self.faces, self.large = frames, faces, large
        self.settings = InferSettings(quality=quality)
        self.times_s = np.array([f.time_s for f in frames], np.float64)
        self.runs: list[int] = []

    def _decoder(self, row: int) -> FakeDecoder:
        decoder = FakeDecoder(self.frames[row:])
        decoder.info = replace(INFO, width=1920 if self.large else INFO.width)
        return decoder

    def blocks(self):
        networks = networks_of(self.faces, self.large)
        return list(recognised_blocks(self._decoder(0), networks, self.settings))

    def segments(self, row: int):
        networks = networks_of(self.faces, self.large)
        return recognised_segments(self._decoder(row), networks, self.settings, self.times_s[:row])

    def section(self, row: int, end: int, folder: Path):
        """Segments from a row until one ends at `end` or later, through a file."""
        path = folder / f"{row}.section"
        with path.open("wb") as file:
            writer = SegmentWriter(file)
            for segment in self.segments(row):
                writer.append(segment)
                if segment.first_row + len(segment.index) >= end:
                    break
            writer.flush()
        return row, read_segments(path)

    def joined(self, seams, folder: Path):
        """Blocks of sections that begin at entries and end after the next one's first row."""
        ends = [first for _, first in seams[1:]] + [len(self.frames)]
        sections = [self.section(entry, end, folder) for (entry, _), end in zip(seams, ends, strict=True)]
        joined = join_sections(sections, len(self.frames), self._run_from)
        return list(to_blocks(split_people(joined), Fraction(1)))

    def _run_from(self, row: int, back_s: float):
        entry = max(0, int(np.searchsorted(self.times_s, self.times_s[row] - back_s)))
        self.runs.append(entry)
        return entry, self.segments(entry)


def assert_equal_blocks(found, expected) -> None:
    for name in ("index", "pts", "time_s", "damaged"):
        assert np.array_equal(*(np.concatenate([getattr(b, name) for b in x]) for x in (found, expected)))
    for name in ("row", "track", "boxes", "landmarks", "score", "source"):
        a, b = (np.concatenate([getattr(b.faces, name) for b in x]) for x in (found, expected))
        assert np.array_equal(a, b), name
    for name in expected[0].outputs:
        a, b = (np.concatenate([b.outputs[name] for b in x]) for x in (found, expected))
        assert np.array_equal(a, b), name
    samples = [[s for b in x for s in b.samples.appearance] for x in (found, expected)]
    assert np.array_equal(*samples)


def faces_from(seed: int, length: int) -> list[Wavering]:
    """A few faces that come, go, move and waver at random."""
    draw = random.Random(seed)
    faces = []
    for _ in range(draw.randint(0, 4)):
        begin, x, speed = draw.randrange(-40, length), draw.randint(0, 500), draw.choice([0, 0, 1, 3])
        lasts, gap = draw.randint(1, length), draw.randrange(length)
        weak_from = draw.randrange(-length, 2 * length)
        faces.append(
            Wavering(
                x=lambda i, x=x, speed=speed: (x + speed * i) % 540,
                y=draw.choice([20.0, 150.0]),
                side=draw.choice([60.0, SIDE + 8]),
                seen=lambda i, b=begin, n=lasts, g=gap: b <= i < b + n and not g <= i < g + 30,
                weak=lambda i, w=weak_from: i >= w,
            )
        )
    return faces


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    length=st.integers(60, 300),
    rate=st.sampled_from([30.0, 25.0, 12.5]),
    cuts=st.lists(st.integers(1, 300), max_size=2),
    seams=st.lists(st.tuples(st.integers(1, 250), st.integers(0, 150)), min_size=1, max_size=3),
    large=st.booleans(),
    quality=st.sampled_from(["balanced", "max"]),
    varying=st.booleans(),
)
def test_joined_sections_are_the_whole(
    seed, length, rate, cuts, seams, large, quality, varying, tmp_path
) -> None:
    frames = scripted_frames(length, rate, scene=lambda i: sum(i >= cut for cut in cuts))
    if varying:
        jitter = random.Random(seed)
        times = np.cumsum([jitter.choice([0.5, 1, 1, 3]) / rate for _ in frames])
        frames = [replace(f, time_s=float(t)) for f, t in zip(frames, times, strict=True)]
    video = Video(frames, faces_from(seed, length), large=large, quality=quality)
    chosen = [(0, 0)]
    for entry, warm_up in sorted(seams):
        if chosen[-1][1] < entry < length:
            chosen.append((entry, min(length, entry + warm_up)))
    assert_equal_blocks(video.joined(chosen, tmp_path), video.blocks())


def test_sections_of_a_steady_video_need_no_further_run(tmp_path) -> None:
    faces = [Wavering(x=lambda i: 100 + i % 40), Wavering(x=lambda i: 400, seen=lambda i: not 310 <= i < 340)]
    video = Video(scripted_frames(600), faces, large=True)
    found = video.joined([(0, 0), (200, 350), (400, 550)], tmp_path)
    assert video.runs == []
    assert_equal_blocks(found, video.blocks())
    assert set(np.concatenate([b.faces.track for b in found]).tolist()) == {0, 1}


def test_a_weak_face_that_a_track_follows_takes_a_run_that_has_seen_it_clearly(tmp_path) -> None:
    faces = [Wavering(x=lambda i: 200, weak=lambda i: i >= 30)]
    video = Video(scripted_frames(900), faces)
    found = video.joined([(0, 0), (600, 750)], tmp_path)
    assert video.runs[-1] < 30
    assert len(video.runs) > 1
    assert_equal_blocks(found, video.blocks())


def test_pictures_that_depend_on_where_decoding_began_are_an_error(tmp_path) -> None:
    video = Video(scripted_frames(300), [Wavering(x=lambda i: 100)])
    first = video.section(0, 250, tmp_path)
    video.frames = [replace(f, image=FakeImage(f.index, scene=7)) for f in video.frames]
    sections = [first, video.section(100, 300, tmp_path)]
    with pytest.raises(IrregularFileError, match="where decoding begins"):
        list(join_sections(sections, 300, video._run_from))


def test_a_file_that_was_cut_short_is_an_error(tmp_path) -> None:
    video = Video(scripted_frames(100), [Wavering(x=lambda i: 100)])
    video.section(0, 100, tmp_path)
    path = tmp_path / "0.section"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises((ValueError, OSError)):
        list(read_segments(path))
