"""A video's facts, its frames and pictures, and the Protocol of its decoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol, runtime_checkable

from autrt.types.arrays import F32, I32, U8

TimesFrom = Literal["stamps", "rate", "assumed rate"]
"""Origin of frame times: the file's own time stamps, its stated rate (index / rate), or an assumed rate where the
file has no usable stamps and states no rate either."""


SourceKind = Literal["video", "images", "still", "stills"]
"""A video file; a folder of numbered pictures, which is a video; a picture; or a folder of such pictures, which
have one results file."""

FOLDERS: Final = frozenset({"images", "stills"})
"""Kinds of sources that are folders."""


@dataclass(frozen=True, slots=True)
class Source:
    """One input of a run, as found by discovery."""

    path: Path
    """File or folder to open."""
    relative: str
    """Path relative to its input folder, '/'-separated; with surrogate escapes where the bytes are no UTF-8."""
    kind: SourceKind


class Stills(NamedTuple):
    """The stills of a folder by the index of their frame."""

    names: Sequence[str]
    """Of the files, with surrogate escapes where the bytes are no UTF-8."""
    sizes_px: I32
    """(n, 2) int32 width and height of the upright picture; 0 until it is decoded, and where it cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """Facts about a video, known before its first frame is handed out."""

    path: Path
    kind: SourceKind
    width: int
    """Pixels of the upright frame (rotation applied); the first frame's size throughout."""
    height: int
    time_base: Fraction
    """Seconds per tick of `Frame.pts`."""
    rate: Fraction
    """Average frames a second as the container states; as the first stamps show where it states none, or a false
    one; 30 where these show none either. Never 0."""
    frame_count: int | None
    """Frames as the container states; may be wrong."""
    duration_s: float | None
    codec: str
    pixel_format: str
    pixel_aspect: Fraction = Fraction(1)
    """Width over height of one pixel of the upright frame (sample aspect ratio)."""
    rotation_deg: int = 0
    """Clockwise rotation that was applied to make frames upright: 0, 90, 180 or 270."""
    transfer: str = "unspecified"
    """Transfer characteristics, as FFmpeg calls them: bt709, smpte2084 (PQ), arib-std-b67 (HLG), …"""
    primaries: str = "unspecified"
    """Colour primaries, as FFmpeg calls them: bt709, bt2020, …"""
    matrix: str = "unspecified"
    """Matrix coefficients, as FFmpeg calls them: bt709, bt2020nc, …"""
    start_s: float = 0.0
    """Presentation time of the container's start; already subtracted from `Frame.time_s`."""
    times_from: TimesFrom = "stamps"
    """Origin of `Frame.time_s`."""
    stream_index: int | None = None
    """Index of the stream in its container; None where there is no container."""
    other_streams: tuple[int, ...] = ()
    """Indices of the container's further streams that could be the video."""
    edits_ignored: bool = False
    """The container's edit list, which says what is shown when, cannot be right, and was ignored."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A part of a video that could not be decoded."""

    time_s: float
    """Time in the video; that of the last good frame where the packet has none."""
    packets: int
    reason: str


class Image(Protocol):
    """One upright picture in its decoder's own planes; RGB is made only where it is needed."""

    @property
    def width(self) -> int:
        """Width in pixels."""
        ...

    @property
    def height(self) -> int:
        """Height in pixels."""
        ...

    @property
    def origin(self) -> tuple[float, float, float]:
        """(x, y, shrink): this picture's pixel (u, v) covers the parent's (x + u·shrink, y + v·shrink).

        x and y are the parent's coordinates of this picture's pixel (0, 0)'s centre. (0, 0, 1) for a frame.
        """
        ...

    def rgb(self) -> U8:
        """Return the whole picture as (height, width, 3) uint8 RGB."""
        ...

    def resized(self, width: int, height: int) -> U8:
        """Return the whole picture area-averaged (or bilinearly enlarged) to (height, width, 3) uint8 RGB."""
        ...

    def thumbnail(self, width: int, height: int) -> U8:
        """Return a coarse, sparsely sampled (height, width, 3) uint8 RGB picture; used for scene cuts only."""
        ...

    def cut(self, x0: int, y0: int, x1: int, y1: int, shrink: int = 1) -> Image:
        """Copy columns x0…x1−1 and rows y0…y1−1, area-averaged by the whole factor `shrink`.

        The box is clipped to the picture and widened to the multiple of pixels that its planes and `shrink`
        need; `origin` of the result says where it really starts.
        """
        ...

    def warped(self, matrix: F32, size_px: int) -> U8:
        """Return a (size_px, size_px, 3) uint8 RGB crop, sampled bilinearly, black outside the picture.

        Args:
            matrix: float32 (2, 3), this picture's pixels → crop pixels.
            size_px: side of the crop.
        """
        ...


def picture_bytes(image: Image) -> int:
    """Return the memory of a picture: as its `size_bytes` says, else as for 4:2:0, as most videos are."""
    stated: int | None = getattr(image, "size_bytes", None)
    return image.width * image.height * 3 // 2 if stated is None else stated


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One decoded frame."""

    index: int
    """0…N−1 in presentation order (image folders: file number − 1)."""
    pts: int
    """Presentation time in ticks of `VideoInfo.time_base`."""
    time_s: float
    """Presentation time in seconds from the container's start; strictly increasing."""
    image: Image
    damaged: bool = False
    """The picture may be wrong: there is damage in its data, or in those of a picture that it is predicted from."""


@runtime_checkable
class Decoder(Protocol):
    """Hands out a video's frames in presentation order, once. Not shared between threads."""

    @property
    def info(self) -> VideoInfo:
        """Facts about the video."""
        ...

    @property
    def lost(self) -> Sequence[Loss]:
        """Parts that could not be decoded so far; complete after the last frame."""
        ...

    @property
    def repaired_times(self) -> int:
        """Number of presentation times so far that were missing or not increasing and had to be set."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame that can be decoded.

        Raises:
            VideoError: nothing can be read at all.
        """
        ...

    def close(self) -> None:
        """Release the file; also ends an iteration under way."""
        ...
