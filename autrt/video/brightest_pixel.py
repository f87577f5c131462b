"""Brightness of a single frame, decoded by PyAV, to check black frames of another decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from av.error import FFmpegError

from autrt.video.container import open_container, orientation
from autrt.video.frame_reader import FrameReader
from autrt.video.stream_choice import ranked_streams

_NO_FRAME: Final = 255


def brightest(path: Path, pts: int) -> int:
    """Return the largest channel value, 0…255, of the frame at `pts` ticks, downscaled; 255 if there is none."""
    try:
        with open_container(path) as container:
            stream = ranked_streams(container)[0]
            container.seek(pts, stream=stream)
            for picture in container.decode(stream):
                if picture.pts is not None and picture.pts >= pts:
                    reader = FrameReader(picture, orientation(picture), chroma_centred=False)
                    return (
                        int(reader.image(picture).resized(32, 18).max()) if picture.pts == pts else _NO_FRAME
                    )
    except FFmpegError:
        pass
    return _NO_FRAME
