"""Make the clip of two frames that `autrt doctor` decodes: `python scripts/make_check_clip.py OUT.mp4`.

H.264, 64×48, four flat quarters whose colours the second frame turns by one place; what must come out again is in
`autrt/check/decoding.py`.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any

import av
import numpy as np

from autrt.check.decoding import COLOURS, SIZE_PX, TIMES_S
from autrt.types import U8


def picture(turn: int) -> U8:
    """Return the (48, 64, 3) uint8 RGB picture whose quarters show the colours from the `turn`-th on."""
    width, height = SIZE_PX
    quarters = np.roll(np.array(COLOURS, np.uint8), -turn, axis=0).reshape(2, 2, 3)
    return quarters.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def main(path: str) -> None:
    """Write the clip."""
    with av.open(path, "w") as container:
        options = {"crf": "12", "x264-params": "threads=1:scenecut=0:info=0"}
        stream: Any = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE_PX, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for turn, time_s in enumerate(TIMES_S):
            frame = av.VideoFrame.from_ndarray(picture(turn), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(1000 * time_s), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main(sys.argv[1])
