"""Results made up for tests: headers, blocks of faces, and what the pipeline would make of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from autrt.results.fingerprint import SourceFacts
from autrt.results.header import Header, VideoFacts
from autrt.results.schema import QUALITY
from autrt.results.source_hash import sha256
from autrt.results.writer import ResultsWriter
from autrt.types import Block, Faces, Loss, Source

AUS = ("AU1", "AU2", "AU12", "AU25", "AU4", "AU6", "AU7", "AU10", "AU15", "AU23", "AU24", "AU26")


def header(n_aus: int = 3, members: Sequence[str] = ("a", "b"), **changes: Any) -> Header:
    facts: dict[str, Any] = {
        "source": source("a/b.mp4"),
        "video": VideoFacts(
            width_px=640, height_px=360, rate_hz=30.0, frame_count=None, duration_s=None, codec="h264",
            pixel_format="yuv420p",
        ),
        "time_base": Fraction(1, 15360),
        "au_names": AUS[:n_aus],
        "thresholds": tuple(0.1 + 0.07 * i for i in range(n_aus)),
        "smoothing_windows": (10,) * n_aus,
        "smoothing_domain": "logit",
        "baseline": "none",
        "model_name": "student",
        "model_digest": "m" * 64,
        "member_names": tuple(members),
        "network_digests": tuple("d" * 64 for _ in members),
        "settings": {"detect_every": 6, "smooth": {"domain": "logit"}},
        "engine": "openvino",
        "precision": "f32",
        "device": "cpu",
        "detector_digest": "c" * 64,
        "detect_every": 6,
        "versions": {"autrt": "0.1.0"},
        "command": "autrt infer --videos in --out out",
        "started_utc": "2025-01-02T03:04:05+00:00",
    }  # fmt: skip
    return Header(**facts | changes)


@dataclass(frozen=True)
class Video:
    """Everything that goes into one results file."""

    block: Block
    logit: Any
    probability: Any
    smoothed: Any
    active: Any

    def pieces(self, size: int) -> Iterator[tuple[Block, slice]]:
        """The block in pieces of `size` frames, and each one's rows."""
        for start in range(0, len(self.block.index), size):
            rows = slice(*np.searchsorted(self.block.faces.row, [start, start + size]).tolist())
            yield cut(self.block, slice(start, start + size), rows), rows

    def write(self, writer: ResultsWriter, size: int = 1 << 30) -> None:
        for block, rows in self.pieces(size):
            writer.write(
                block, self.logit[rows], self.probability[rows], self.smoothed[rows], self.active[rows]
            )


def hashed_facts(source: Source) -> SourceFacts:
    """Facts about a source as they are once it was read."""
    return replace(SourceFacts.of(source), sha256=sha256(source.path))


def names_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def cut(block: Block, frames: slice, rows: slice) -> Block:
    return Block(
        index=block.index[frames],
        pts=block.pts[frames],
        time_s=block.time_s[frames],
        damaged=block.damaged[frames],
        faces=block.faces[rows],
        outputs={name: values[rows] for name, values in block.outputs.items()},
    )


def video(counts: Sequence[int], n_members: int = 2, n_aus: int = 3, seed: int = 0) -> Video:
    """A video whose frame i shows `counts[i]` faces, tracks 0…counts[i]−1; some members are NaN."""
    rng = np.random.default_rng(seed)
    n, total = len(counts), sum(counts)
    row = np.repeat(np.arange(n, dtype=np.int64), counts)
    track = np.concatenate([np.arange(c) for c in counts] or [np.empty(0)]).astype(np.int32)
    corner = rng.uniform(0, 300, (total, 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + 50], axis=1)
    landmarks = (corner[:, None] + rng.uniform(0, 50, (total, 5, 2))).astype(np.float32)
    score = rng.uniform(0, 1, total).astype(np.float32)
    faces = Faces(
        row=row,
        boxes=boxes,
        landmarks=landmarks,
        score=score,
        track=track,
        source=rng.integers(0, 3, total).astype(np.uint8),
    )
    member = rng.normal(-1, 3, (total, n_members, n_aus)).astype(np.float32)
    if n_members > 1:
        member[:, 1, 0] = np.nan
    time_s = np.cumsum(rng.uniform(0.03, 0.05, n))
    block = Block(
        index=np.arange(n),
        pts=np.round(time_s * 15360).astype(np.int64),
        time_s=time_s,
        damaged=np.arange(n) % 4 == 3,
        faces=faces,
        outputs={"logits": member},
    )
    logit = member[:, 0].copy()
    probability = (1 / (1 + np.exp(-logit.astype(np.float64)))).astype(np.float32)
    smoothed = rng.uniform(0, 1, (total, n_aus)).astype(np.float32)
    return Video(block, logit, probability, smoothed, smoothed >= np.asarray(header(n_aus).thresholds))


LOST = (Loss(0.5, 2, "bad packet"),)


def source(name: str, **changes: Any) -> SourceFacts:
    """Facts about a video of this name."""
    facts = {"path": name, "kind": "video", "size_bytes": 1, "mtime_ns": 2, "fingerprint": "f" * 64}
    return SourceFacts(**facts | changes)


def results_file(
    path: Path,
    counts: Sequence[int] = (1, 0, 2, 1),
    seed: int = 0,
    lost: Sequence[Loss] = LOST,
    *,
    damaged: bool = False,
    person: Any = None,
    **changes: Any,
) -> Path:
    """Write a whole, sound file; in one with marks of damaged frames, every fourth is marked."""
    with ResultsWriter(path, header(**changes), keep_members=True, damaged=damaged) as writer:
        video(counts, seed=seed).write(writer)
        return writer.finish(lost, repaired_times=1, person=person)


THRESHOLD = 0.5


def video_file(
    path: Path,
    tracks: dict[int, dict[int, float]],
    n_frames: int,
    times=None,
    damaged: int = 0,
    person: Any = None,
    quality: Any = None,
    **changes,
) -> Path:
    """Write results of a video with one AU: track → frame → smoothed probability; active from `THRESHOLD` on.

    `quality` is that of each face, all of which are sharp; None: that of an earlier version, which has none.
    """
    rows = sorted((frame, track, p) for track, seen in tracks.items() for frame, p in seen.items())
    n = len(rows)
    value = np.array([p for *_, p in rows], np.float32).reshape(n, 1)
    faces = Faces(
        row=np.array([r[0] for r in rows], np.int64),
        boxes=np.tile(np.float32([0, 0, 50, 50]), (n, 1)),
        landmarks=np.zeros((n, 5, 2), np.float32),
        score=np.ones(n, np.float32),
        track=np.array([r[1] for r in rows], np.int32),
        source=np.zeros(n, np.uint8),
    )
    times = np.arange(n_frames) / 30 if times is None else np.asarray(times, float)
    pts = np.round(times * 15360).astype(np.int64)
    logit = np.log(np.clip(value, 1e-6, 1 - 1e-6) / np.clip(1 - value, 1e-6, 1)).astype(np.float32)
    probability = (1 / (1 + np.exp(-logit.astype(np.float64)))).astype(np.float32)
    block = Block(
        index=np.arange(n_frames),
        pts=pts,
        time_s=times,
        damaged=np.arange(n_frames) < damaged,
        faces=faces,
        outputs={"logits": logit[:, None]},
    )
    if quality is not None:
        block.outputs["quality"] = np.array(quality, np.float16)
        block.outputs["sharpness"] = np.full(n, 0.45, np.float16)
    kept = () if quality is None else QUALITY
    changes = {"au_names": ("AU12",), "thresholds": (THRESHOLD,)} | changes
    with ResultsWriter(path, header(1, ("a",), **changes), damaged=damaged > 0, outputs=kept) as writer:
        writer.write(block, logit, probability, value, value >= THRESHOLD)
        writer.finish(person=person)
    return path
