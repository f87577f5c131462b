"""Small videos for campaigns without damage: pieces of a clip of a person, or grey ones where it is not there."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import numpy as np

from autrt.download.fetch import fetch
from autrt.errors import AutrtError
from tests.support.media import U8, Clip, write_video


def write_clips(folder: Path, n: int, frames: int = 10) -> Path:
    """Write `n` videos of a few frames each, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = _pictures(n + frames)
    for i in range(n):
        path = folder / f"{i:04d}.mp4"
        if not path.exists():
            clip = Clip(codec="mpeg4", frames=frames, width=pictures[0].shape[1], height=pictures[0].shape[0])
            write_video(path, [pictures[(i + k) % len(pictures)] for k in range(frames)], clip)
    return folder


def _pictures(n: int) -> list[U8]:
    try:
        clip = fetch("clip-smile", offline=True)
    except AutrtError:
        return [np.full((192, 320, 3), 40 + i % 200, np.uint8) for i in range(n)]
    with av.open(str(clip)) as container:
        frames = (frame.reformat(width=320, height=180) for frame in container.decode(video=0))
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in islice(frames, n)]
