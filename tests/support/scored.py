"""Made-up results files, labels and labelled predictions for evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autrt.aus import ABAW_AUS
from autrt.pipeline.sink import ResultsSink
from autrt.results.header import Header
from autrt.types import Block, Faces
from autrt_train.evaluate.labelled_predictions import LabelledPredictions, TrackSeries, smooth_with
from tests.support.results import header

RATE = 30.0

FACE = np.array([[30, 30], [50, 30], [40, 40], [32, 50], [48, 50]], np.float32)
"""Landmarks of every face."""


def film(n: int, seed: int, n_aus: int = 2) -> np.ndarray:
    """(n, A) int8 labels that hold for some frames at a time."""
    rng = np.random.default_rng(seed)
    return np.repeat(rng.random((n // 15 + 1, n_aus)) < 0.4, 15, axis=0)[:n].astype(np.int8)


def noisy_logits(labels: Any, seed: int, noise: float = 1.0) -> np.ndarray:
    """(n, A) float32: 1 above or below 0, and noise."""
    rng = np.random.default_rng([seed, 7])
    return (2.0 * (np.asarray(labels) == 1) - 1 + noise * rng.normal(size=np.shape(labels))).astype(
        np.float32
    )


def write_results(path: Path, logits: Any, *, frames: Sequence[int] | None = None, **changes: Any) -> Path:
    """A results file with one face in each of `frames` (from 0; all by default) and a smaller one in some."""
    logits = np.asarray(logits, np.float32)
    n, a = logits.shape
    frames = list(range(n)) if frames is None else list(frames)
    rows = [(f, t) for f in range(n) for t in (0, 1) if f in frames and (t == 0 or f % 3 == 0)]
    row, track = (np.array(column) for column in zip(*rows, strict=True))
    side = np.where(track == 0, 100, 40)[:, None]
    boxes = np.concatenate([np.zeros((len(row), 2)), np.ones((len(row), 2)) * side], axis=1).astype(
        np.float32
    )
    member = np.where((track == 0)[:, None], logits[row], 9).astype(np.float32)[:, None]
    faces = Faces(
        row=row.astype(np.int64),
        boxes=boxes,
        landmarks=np.tile(FACE, (len(row), 1, 1)),
        score=np.ones(len(row), np.float32),
        track=track.astype(np.int32),
        source=np.zeros(len(row), np.uint8),
    )
    time_s = np.arange(n) / RATE
    block = Block(
        index=np.arange(n),
        pts=np.round(time_s * 15360).astype(np.int64),
        time_s=time_s,
        damaged=np.zeros(n, bool),
        faces=faces,
        outputs={"logits": member},
    )
    sink = ResultsSink(
        path, results_header(a, **changes), np.ones((1, a), np.float32), **_sink_options(changes)
    )
    sink.write(block)
    return sink.finish([], 0)


def _sink_options(changes: dict[str, Any]) -> dict[str, Any]:
    baseline = changes.get("baseline", "none")
    return {} if baseline == "none" else {"baseline_percentile": float(baseline[1:])}


def results_header(n_aus: int, **changes: Any) -> Header:
    """A header of 12-AU order."""
    facts = {
        "au_names": ABAW_AUS[:n_aus],
        "thresholds": (0.4,) * n_aus,
        "smoothing_windows": (10,) * n_aus,
        "members": ("made-up",),
    }
    return header(n_aus, **facts | changes)


def label_text(path: Path, labels: Any) -> Path:
    """An Aff-Wild2 label text of the first AUs."""
    lines = [",".join(ABAW_AUS[: np.shape(labels)[1]]), *(",".join(map(str, row)) for row in labels.tolist())]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def scored(
    labels: Any, logits: Any, video: Any, group: Any = None, timed: bool = True, **changes: Any
) -> LabelledPredictions:
    """`LabelledPredictions` rows, a frame each; smoothed by windows of 10 in time."""
    labels, video = np.asarray(labels, np.int8), np.asarray(video, np.int32)
    n, a = labels.shape
    logit = np.asarray(logits, np.float32)
    frame = np.concatenate([np.arange(np.sum(video == v)) for v in np.unique(video)] or [[]]).astype(np.int64)
    windows = np.full(a, 10, np.int32)
    order = TrackSeries(
        logit=logit,
        smoothed=logit.copy(),
        track=np.zeros(n, np.int32),
        time_s=frame / RATE,
        interval_s=np.full(n, 1 / RATE),
    )
    order.smoothed[:] = smooth_with(order, video, "logit", windows.tolist())
    facts: dict[str, Any] = {
        "name": "made-up",
        "au_names": ABAW_AUS[:a],
        "labels": labels,
        "logit": logit,
        "video": video,
        "video_names": tuple(f"v{i}" for i in range(int(video.max(initial=-1)) + 1)),
        "group": video.astype(np.int64) if group is None else np.asarray(group, np.int64),
        "frame": frame + 1,
        "face": np.full(n, -1, np.int32),
        "thresholds": np.full(a, 0.4, np.float32),
        "windows": windows,
        "domain": "logit",
        "network_digests": ("d" * 64,),
        "series": order if timed else None,
    }
    return LabelledPredictions(**facts | changes)
