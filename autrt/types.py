"""The vocabulary: what flows between the stages, and the Protocols that the stages meet.

Letters in shapes: N frames, F faces, D detections, A AUs, M members, B batch. Pixel arrays are uint8 RGB in
row-major (height, width, 3); coordinates are pixels with (0, 0) at the centre of the top left pixel (OpenCV's
convention), x to the right, y down. Host-side times are seconds in float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

CROP_SIZE_PX = 112
"""Side of an aligned face crop."""

DETECTED, INTERPOLATED, REFINED = 0, 1, 2
"""Values of `Faces.source`: found by the detector, interpolated between detections, detected again."""


TimesFrom = Literal["stamps", "rate", "assumed rate"]
"""What gives frames their times: the file's own time stamps, its stated rate (index / rate), or an assumed rate
where it has no usable stamps and states no rate either."""


def check_array(
    owner: object, name: str, array: np.ndarray[Any, Any], dtype: type, shape: tuple[int | None, ...]
) -> None:
    """Refuse an array field of another dtype or shape; None in `shape` is any length.

    Raises:
        ValueError: says what was expected and found.
    """
    if (
        array.dtype != dtype
        or len(array.shape) != len(shape)
        or any(want is not None and want != got for want, got in zip(shape, array.shape, strict=True))
    ):
        wanted = "×".join("any" if n is None else str(n) for n in shape)
        raise ValueError(
            f"{type(owner).__name__}.{name}: expected {np.dtype(dtype).name} of shape {wanted}, "
            f"found {array.dtype.name} of shape {'×'.join(map(str, array.shape))}"
        )


class ShapedRepr:
    """A repr that prints array shapes instead of their numbers."""

    __slots__ = ()

    def __repr__(self) -> str:
        parts = [
            f"{f.name}={v.dtype.name}{list(v.shape)}" if isinstance(v, np.ndarray) else f"{f.name}={v!r}"
            for f in fields(self)  # pyright: ignore[reportArgumentType]
            for v in [getattr(self, f.name)]
        ]
        return f"{type(self).__name__}({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class Source:
    """One input of a run, as found by discovery."""

    path: Path
    """What to open: a video or picture file, or a folder of numbered pictures."""
    relative: str
    """Path relative to its input folder, '/'-separated; with surrogate escapes where the bytes are no UTF-8."""
    kind: Literal["video", "images", "still"]


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Facts about a video, known before its first frame is handed out."""

    path: Path
    kind: Literal["video", "images", "still"]
    width: int
    """Pixels of the upright frame (rotation applied); the first frame's size throughout."""
    height: int
    time_base: Fraction
    """Seconds per tick of `Frame.pts`."""
    rate: Fraction
    """Average frames a second as the container tells, or a guess of 30 where it tells nothing; never 0."""
    frame_count: int | None
    """As the container states; a hint, not a promise."""
    duration_s: float | None
    codec: str
    pixel_format: str
    pixel_aspect: Fraction = Fraction(1)
    """Width over height of one pixel of the upright frame (sample aspect ratio)."""
    rotation_deg: int = 0
    """Clockwise rotation that was applied to make frames upright: 0, 90, 180 or 270."""
    start_s: float = 0.0
    """Presentation time of the container's start; already subtracted from `Frame.time_s`."""
    times_from: TimesFrom = "stamps"
    """What `Frame.time_s` follows."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Something of a video that could not be decoded."""

    time_s: float
    """Where, in the video's time; that of the last good frame where the packet has none."""
    packets: int
    reason: str


class Image(Protocol):
    """One upright picture in whatever planes its decoder produced; RGB is made only where it is needed."""

    @property
    def width(self) -> int:
        """Pixels."""
        ...

    @property
    def height(self) -> int:
        """Pixels."""
        ...

    def rgb(self) -> U8:
        """The whole picture as (height, width, 3) uint8 RGB."""
        ...

    def resized(self, width: int, height: int) -> U8:
        """The whole picture area-averaged (or bilinearly enlarged) to (height, width, 3) uint8 RGB."""
        ...

    def thumbnail(self, width: int, height: int) -> U8:
        """A coarse, cheap (height, width, 3) uint8 RGB picture, sparsely sampled; for scene cuts only."""
        ...

    def cut(self, x0: int, y0: int, x1: int, y1: int, shrink: int = 1) -> Image:
        """A copy of columns x0…x1−1 and rows y0…y1−1, area-averaged by the whole factor `shrink`.

        The box is clipped to the picture and widened to what the planes and `shrink` need; `origin` of the
        result says where it really starts.
        """
        ...

    @property
    def origin(self) -> tuple[float, float, float]:
        """(x, y, shrink): this picture's pixel (u, v) covers the parent's (x + u·shrink, y + v·shrink).

        x and y are the parent's coordinates of this picture's pixel (0, 0)'s centre. (0, 0, 1) for a frame.
        """
        ...

    def warped(self, matrix: F32, size_px: int) -> U8:
        """A (size_px, size_px, 3) uint8 RGB crop, bilinear, black outside.

        Args:
            matrix: float32 (2, 3), this picture's pixels → crop pixels.
            size_px: side of the crop.
        """
        ...


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame."""

    index: int
    """0…N−1 in presentation order (image folders: file number − 1)."""
    pts: int
    """Presentation time in ticks of `VideoInfo.time_base`."""
    time_s: float
    """Presentation time in seconds from the container's start; strictly increasing."""
    image: Image


@dataclass(frozen=True, slots=True, repr=False)
class Detections(ShapedRepr):
    """What a detector found in one frame, best first."""

    boxes: F32
    """(D, 4) float32 x0, y0, x1, y1 in pixels of the frame."""
    landmarks: F32
    """(D, 5, 2) float32 pixels: the subject's right eye, left eye, nose tip, right and left mouth corner.

    As seen in the picture: left eye first (ArcFace's order).
    """
    score: F32
    """(D,) float32 in 0…1."""

    def __post_init__(self) -> None:
        n = len(self.boxes)
        check_array(self, "boxes", self.boxes, np.float32, (n, 4))
        check_array(self, "landmarks", self.landmarks, np.float32, (n, 5, 2))
        check_array(self, "score", self.score, np.float32, (n,))

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, repr=False)
class Faces(ShapedRepr):
    """Faces in frames, one row a face in a frame, ordered by frame, then track."""

    row: I64
    """(F,) int64: the frame, as its row in the video's frame table."""
    boxes: F32
    """(F, 4) float32 x0, y0, x1, y1 in pixels of the upright frame."""
    landmarks: F32
    """(F, 5, 2) float32 pixels of the upright frame, ArcFace's order."""
    score: F32
    """(F,) float32 detection score 0…1, interpolated where the face was."""
    track: I32
    """(F,) int32 track id."""
    source: U8
    """(F,) uint8: `DETECTED`, `INTERPOLATED` or `REFINED`."""

    def __post_init__(self) -> None:
        n = len(self.row)
        check_array(self, "row", self.row, np.int64, (n,))
        check_array(self, "boxes", self.boxes, np.float32, (n, 4))
        check_array(self, "landmarks", self.landmarks, np.float32, (n, 5, 2))
        check_array(self, "score", self.score, np.float32, (n,))
        check_array(self, "track", self.track, np.int32, (n,))
        check_array(self, "source", self.source, np.uint8, (n,))

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, which: slice | I64 | Bool) -> Faces:
        return Faces(*(getattr(self, f.name)[which] for f in fields(self)))

    def put(self, which: I64 | Bool, others: Faces) -> Faces:
        """These rows, `others` in the place of some of them."""
        whole = [getattr(self, f.name).copy() for f in fields(self)]
        for column, f in zip(whole, fields(self), strict=True):
            column[which] = getattr(others, f.name)
        return Faces(*whole)

    @staticmethod
    def concatenate(parts: Sequence[Faces]) -> Faces:
        """All rows of `parts`, in order."""
        return Faces(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Faces)))

    @staticmethod
    def empty() -> Faces:
        """No rows."""
        return Faces(
            np.empty(0, np.int64), np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32),
            np.empty(0, np.float32), np.empty(0, np.int32), np.empty(0, np.uint8),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, repr=False)
class Block(ShapedRepr):
    """Consecutive frames of one video with the faces in them: the unit that reaches the results file."""

    index: I64
    """(N,) int64 frame index."""
    pts: I64
    """(N,) int64 ticks."""
    time_s: F64
    """(N,) float64 seconds, strictly increasing."""
    faces: Faces
    """`faces.row` counts in the video's frame table, not in this block."""
    member_logits: F32
    """(F, M, A) float32, members in the ensemble's order; NaN where a member was not run."""

    def __post_init__(self) -> None:
        n = len(self.index)
        check_array(self, "index", self.index, np.int64, (n,))
        check_array(self, "pts", self.pts, np.int64, (n,))
        check_array(self, "time_s", self.time_s, np.float64, (n,))
        check_array(self, "member_logits", self.member_logits, np.float32, (len(self.faces), None, None))


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, shape (without the batch) and dtype of a network's input or output."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What an engine is: enough to tell whether two engines give the same numbers."""

    engine: str
    """Registry name: openvino, onnxruntime, torch, …"""
    network_digest: str
    """SHA-256 over weights, graph and input of the network (hex)."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    precision: str
    """f32, bf16, fp16 or int8: what the arithmetic really uses."""
    batch: int
    """Rows of the one fixed batch that every call is padded to."""
    device: str
    """cpu or cuda:N."""
    au_names: tuple[str, ...] = ()
    """Order of the `logits` output's columns; empty for networks without AUs."""
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    """Libraries that computed, e.g. {'openvino': '2026.4.0'}."""
    graph_digest: str = ""
    """SHA-256 (hex) of the graph that was derived from the network's own for this precision, if any was."""


@runtime_checkable
class Decoder(Protocol):
    """Hands out a video's frames in presentation order, once. Not shared between threads."""

    @property
    def info(self) -> VideoInfo:
        """Facts about the video."""
        ...

    @property
    def lost(self) -> Sequence[Loss]:
        """What could not be decoded so far; complete after the last frame."""
        ...

    @property
    def repaired_times(self) -> int:
        """How many presentation times so far were missing or not increasing and had to be set."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Every frame that can be decoded.

        Raises:
            VideoError: nothing can be read at all.
        """
        ...

    def close(self) -> None:
        """Release the file; also ends an iteration under way."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Runs one network on one device in one fixed batch size. Safe to call from several threads.

    A row's numbers never depend on the other rows of its batch nor on its place in it.
    """

    @property
    def spec(self) -> EngineSpec:
        """What this engine is."""
        ...

    def submit(self, inputs: Mapping[str, U8]) -> Future[dict[str, F32]]:
        """Start one batch and return at once, or wait while too many batches are in flight.

        Args:
            inputs: name → uint8 (B, …) with B from 1 to `spec.batch`; padded to `spec.batch` inside. The
                arrays are copied before this returns.

        Returns:
            A future of name → float32 (B, …), arrays of the caller's own.
        """
        ...

    def infer(self, inputs: Mapping[str, U8]) -> dict[str, F32]:
        """`submit` and wait; B may be any number, run in as many batches as it takes."""
        ...

    def close(self) -> None:
        """Release the device's memory; waits for what is in flight."""
        ...


@runtime_checkable
class FaceDetector(Protocol):
    """Finds faces and their 5 landmarks. Safe to call from several threads."""

    @property
    def digest(self) -> str:
        """Names the numbers: network, canvas and thresholds."""
        ...

    def submit(self, image: Image, pixel_aspect: Fraction = Fraction(1)) -> Future[Detections]:
        """Start looking at one picture; coordinates of the result are that picture's pixels.

        Args:
            image: the picture.
            pixel_aspect: width over height of its pixels; it is looked at in square ones.
        """
        ...

    def close(self) -> None:
        """Release the networks."""
        ...


@runtime_checkable
class Sink(Protocol):
    """Takes one video's blocks in order and makes its result whole, or nothing."""

    def write(self, block: Block) -> None:
        """Take the next frames and their faces."""
        ...

    def finish(self, losses: Sequence[Loss], repaired_times: int) -> Path:
        """Verify, make durable and give the result its name.

        Args:
            losses: what could not be decoded.
            repaired_times: how many presentation times had to be set.
        """
        ...

    def abandon(self) -> None:
        """Leave nothing behind."""
        ...
