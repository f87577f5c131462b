"""Some stretches of an intact file, decoded by PyAV, with which another decoder's pictures are compared."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from numpy.typing import NDArray

from autrt.errors import VideoError
from autrt.types import U8, Image
from autrt.video.container import open_container, orientation
from autrt.video.ffmpeg_log import FFmpegLog
from autrt.video.frame_reader import FrameReader
from autrt.video.from_key import pictures_from, seek_before
from autrt.video.packet_scan import IrregularFileError, PacketScan
from autrt.video.stream_choice import ranked_streams

STRETCHES: Final = 5
"""Stretches of a file: the first, the middle and the last, and the others by chance."""

FRAMES: Final = 48
"""Frames of a stretch."""

SIZE_PX: Final = (32, 18)
"""Width and height of the thumbnails."""

FAR: Final = 8.0
"""Mean difference of a thumbnail, in grey levels, from which on it shows another picture."""

NEARER: Final = 1.0
"""Mean difference, in grey levels, by which another frame may be nearer than the right one."""


class MisdecodedError(VideoError):
    """A decoder gave wrong pictures; those that it gave before cannot be trusted either."""


@dataclass(frozen=True, slots=True)
class DecodedSample:
    """Thumbnails of some frames."""

    thumbnails: dict[int, U8]
    """Row of the frame → uint8 (18, 32, 3) RGB."""

    def problem(self, row: int, image: Image) -> str | None:
        """Return what is wrong with another decoder's picture of a frame; None where it is right, or not known.

        It must look like the frame, and no more like the one before or after it.
        """
        own = self.thumbnails.get(row)
        if own is None:
            return None
        seen = image.thumbnail(*SIZE_PX).astype(np.int16)
        error = _error(seen, own)
        if error > FAR:
            return f"frame {row} is {error:.0f} grey levels off"
        for other in (row - 1, row + 1):
            near = self.thumbnails.get(other)
            if near is not None and _error(seen, near) < error - NEARER:
                return f"frame {row} shows frame {other}"
        return None


def decode_sample(path: Path, scan: PacketScan) -> DecodedSample:
    """Decode some stretches of a file.

    Raises:
        IrregularFileError: there is damage in them, or they cannot be reached; the message says which.
    """
    rows = {int(pts): row for row, pts in enumerate(scan.pts)}
    thumbnails: dict[int, U8] = {}
    try:
        with open_container(path) as container, closing(FFmpegLog()) as log:
            stream = ranked_streams(container)[0]
            stream.thread_type = "NONE"  # pyright: ignore[reportAttributeAccessIssue]
            stream.thread_count = 1
            for key_pts in _chosen_keys(scan):
                found: dict[int, U8] = {}
                if thumbnails:  # else the file was just opened, at its start
                    seek_before(container, stream, key_pts)
                for pts, thumbnail in _stretch(container, stream, log, key_pts):
                    if pts not in rows:
                        raise IrregularFileError("a sample of it holds a frame that no packet has")
                    found[rows[pts]] = thumbnail
                    if len(found) == FRAMES:
                        break
                if not found:
                    raise IrregularFileError("a sample of it cannot be reached")
                thumbnails |= found
    except FFmpegError as error:
        raise IrregularFileError(f"a sample of it cannot be decoded: {error.strerror}") from error
    return DecodedSample(thumbnails)


def _chosen_keys(scan: PacketScan) -> list[int]:
    """Return the times of the key frames that begin the stretches; the same for the same file."""
    keys: list[int] = [int(pts) for pts in scan.key_pts if pts >= scan.pts[0]]
    if len(keys) <= STRETCHES:
        return keys
    fixed = {0, len(keys) // 2, len(keys) - 1}
    others = sorted(set(range(len(keys))) - fixed)
    chance = random.Random(len(scan.pts)).sample(others, STRETCHES - len(fixed))
    return [keys[i] for i in sorted(fixed | set(chance))]


def _stretch(
    container: InputContainer, stream: VideoStream, log: FFmpegLog, key_pts: int
) -> Generator[tuple[int, U8], None, None]:
    """Yield time and thumbnail of each frame from the key frame at `key_pts` on; see `pictures_from`."""
    reader: FrameReader | None = None
    for picture in pictures_from(container, stream, log, key_pts):
        reader = reader or FrameReader(picture, orientation(picture), False, stream.codec_context)
        assert picture.pts is not None, "others are passed over"
        yield picture.pts, reader.image(picture).thumbnail(*SIZE_PX)


def _error(seen: NDArray[np.int16], own: U8) -> float:
    return float(np.abs(seen - own).mean())
