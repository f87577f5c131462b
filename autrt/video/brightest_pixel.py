"""What one picture of a file really shows, where another decoder's word is in doubt."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from av.error import FFmpegError

from autrt.video.container import main_stream, open_container, orientation
from autrt.video.frame_reader import FrameReader

_NOTHING: Final = 255


def brightest(path: Path, pts: int) -> int:
    """The brightest channel of the picture at `pts` ticks, seen coarsely, 0…255; 255 where no picture comes."""
    try:
        with open_container(path) as container:
            stream = main_stream(container)
            container.seek(pts, stream=stream)
            for picture in container.decode(stream):
                if picture.pts is not None and picture.pts >= pts:
                    reader = FrameReader(picture, orientation(picture), chroma_centred=False)
                    return (
                        int(reader.image(picture).resized(32, 18).max()) if picture.pts == pts else _NOTHING
                    )
    except FFmpegError:
        pass
    return _NOTHING
