"""Made-up rows of a video, and a header for its file."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np

from autrt.results.fingerprint import SourceFacts
from autrt.results.header import Header, VideoFacts
from autrt.types import Block, Faces

AUS = ("AU1", "AU12", "AU25")


def make_header(n_members: int = 2, **changes) -> Header:
    facts = {
        "source": SourceFacts(path="a.mp4", kind="video", size_bytes=1, mtime_ns=2, fingerprint="f"),
        "video": VideoFacts(
            width_px=640, height_px=360, rate_hz=30.0, frame_count=None, duration_s=None, codec="h264",
            pixel_format="yuv420p",
        ),
        "time_base": Fraction(1, 30),
        "au_names": AUS,
        "thresholds": (0.5, 0.4, 0.6),
        "smoothing_windows": (10, 1, 24),
        "smoothing_domain": "logit",
        "baseline": "none",
        "model_name": "made-up",
        "model_digest": "m",
        "member_names": tuple(f"member{i}" for i in range(n_members)),
        "network_digests": tuple(f"digest{i}" for i in range(n_members)),
        "settings": {},
        "engine": "openvino",
        "precision": "f32",
        "device": "cpu",
        "detector_digest": "d",
        "detect_every": 6,
        "versions": {},
        "command": "autrt infer",
        "started_utc": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return Header(**(facts | changes))


def make_block(n_frames: int, n_tracks: int = 3, n_members: int = 2, seed: int = 0) -> Block:
    """A video of irregular frame times in which each track is seen in stretches; bigger ids are bigger faces."""
    rng = np.random.default_rng(seed)
    time_s = np.cumsum(rng.choice([1 / 30, 1 / 25, 0.3], n_frames, p=[0.8, 0.19, 0.01]))
    seen = np.cumsum(rng.random((n_frames, n_tracks)) < 0.02, axis=0) % 2 == 0
    row, track = np.nonzero(seen)
    n = len(row)
    corner = rng.uniform(0, 100, (n, 2))
    side = 20 + 10 * track[:, None] + rng.uniform(0, 5, (n, 1))
    faces = Faces(
        row=row.astype(np.int64),
        boxes=np.concatenate([corner, corner + side], axis=1).astype(np.float32),
        landmarks=(corner[:, None] + side[:, None] * rng.random((n, 5, 2))).astype(np.float32),
        score=rng.random(n).astype(np.float32),
        track=track.astype(np.int32),
        source=rng.integers(0, 3, n).astype(np.uint8),
    )
    drift = np.sin(time_s[row])[:, None, None] + track[:, None, None]
    logits = drift + rng.normal(0, 1, (n, n_members, len(AUS)))
    index = np.arange(n_frames, dtype=np.int64)
    return Block(
        index=index,
        pts=index,
        time_s=time_s,
        damaged=index % 5 == 2,
        faces=faces,
        outputs={"logits": logits.astype(np.float32)},
    )


def split(block: Block, at: list[int]) -> list[Block]:
    """The block in pieces that begin at the given frames."""
    edges = [0, *sorted(a for a in set(at) if 0 < a < len(block.index)), len(block.index)]
    parts = []
    for low, high in pairwise(edges):
        faces = slice(*np.searchsorted(block.faces.row, [low, high]))
        frames = slice(low, high)
        parts.append(
            Block(
                index=block.index[frames],
                pts=block.pts[frames],
                time_s=block.time_s[frames],
                damaged=block.damaged[frames],
                faces=block.faces[faces],
                outputs={name: values[faces] for name, values in block.outputs.items()},
            )
        )
    return parts
