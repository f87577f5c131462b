"""Small fakes of the project's own Protocols: a scripted video, its detector, its networks and a sink."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from weakref import finalize

import numpy as np

from autrt.engine.batcher import ALIGNMENT_OUTPUTS, CropBatcher
from autrt.errors import EngineError
from autrt.pipeline.networks import Networks
from autrt.template import ARCFACE_112
from autrt.types import (
    DETECTED,
    F32,
    INTERPOLATED,
    U8,
    Block,
    Detections,
    EngineSpec,
    Faces,
    Frame,
    Loss,
    Outputs,
    Segment,
    TensorSpec,
    VideoInfo,
    picture_bytes,
)

WIDTH, HEIGHT = 640, 360
AUS = 2
INFO = VideoInfo(
    path=Path("fake.mp4"),
    kind="video",
    width=WIDTH,
    height=HEIGHT,
    time_base=Fraction(1, 30),
    rate=Fraction(30),
    frame_count=None,
    duration_s=None,
    codec="none",
    pixel_format="rgb24",
)


@dataclass(eq=False)
class FakeImage:
    """A picture that shows its frame's number: every pixel of its crops has it as grey level."""

    number: int
    scene: int = 0
    width: int = WIDTH
    height: int = HEIGHT
    origin: tuple[float, float, float] = (0.0, 0.0, 1.0)

    def thumbnail(self, width: int, height: int) -> U8:
        return _texture(self.scene, width, height)

    def cut(self, x0: int, y0: int, x1: int, y1: int, shrink: int = 1) -> FakeImage:
        size = (x1 - x0) // shrink, (y1 - y0) // shrink
        return FakeImage(self.number, self.scene, *size, (float(x0), float(y0), float(shrink)))

    def warped(self, matrix: F32, size_px: int) -> U8:
        return np.full((size_px, size_px, 3), self.number % 256, np.uint8)


@cache
def _texture(scene: int, width: int, height: int) -> U8:
    return np.random.default_rng(scene).integers(0, 255, (height, width, 3)).astype(np.uint8)


class AliveImages:
    """Counts pictures that are in use still, in any thread.

    The dictionary changes by single operations, which threads and the collector cannot tear apart.
    """

    def __init__(self) -> None:
        self._bytes_of: dict[int, int] = {}

    def add(self, image: FakeImage) -> None:
        self._bytes_of[id(image)] = picture_bytes(image)
        finalize(image, self._bytes_of.pop, id(image))

    def __len__(self) -> int:
        return len(self._bytes_of)

    def size_bytes(self) -> int:
        return sum(self._bytes_of.copy().values())


@dataclass
class ScriptedFace:
    """A square face that moves by a rule and is seen in some frames."""

    x: Callable[[int], float]
    y: float = 150.0
    side: float = 80.0
    seen: Callable[[int], bool] = lambda number: True
    score: float = 0.9

    def box(self, number: int) -> F32:
        return np.array([self.x(number), self.y, self.x(number) + self.side, self.y + self.side], np.float32)

    def landmarks(self, number: int) -> F32:
        return (ARCFACE_112 / 112 * self.side + [self.x(number), self.y]).astype(np.float32)


class ScriptedDetector:
    """A `FaceDetector` that reads the script, and notes the frames that it was asked about."""

    digest = "scripted"

    def __init__(self, faces: Sequence[ScriptedFace], error_at: int | None = None) -> None:
        self.faces, self.error_at = faces, error_at
        self.calls: list[int] = []
        self.closed = False

    def submit_all(self, pictures) -> list[Future[Detections]]:
        return [self.submit(*picture) for picture in pictures]

    def submit(self, image: FakeImage, pixel_aspect: Fraction = Fraction(1)) -> Future[Detections]:
        self.calls.append(image.number)
        future: Future[Detections] = Future()
        if image.number == self.error_at:
            future.set_exception(EngineError("detector broken"))
            return future
        x, y, shrink = image.origin
        here = [face for face in self.faces if face.seen(image.number)]
        boxes = np.array([face.box(image.number) for face in here], np.float32).reshape(-1, 2, 2)
        landmarks = np.array([face.landmarks(image.number) for face in here], np.float32).reshape(-1, 5, 2)
        future.set_result(
            Detections(
                ((boxes - [x, y]) / shrink).astype(np.float32).reshape(-1, 4),
                ((landmarks - [x, y]) / shrink).astype(np.float32),
                np.array([face.score for face in here], np.float32),
            )
        )
        return future

    def close(self) -> None:
        self.closed = True


def scripted_frames(
    length: int, rate: float = 30.0, scene: Callable[[int], int] = lambda number: 0
) -> list[Frame]:
    """Frames 0…length−1, of scene `scene(number)` each."""
    return [Frame(index=i, pts=i, time_s=i / rate, image=FakeImage(i, scene(i))) for i in range(length)]


class FakeDecoder:
    """A `Decoder` of given frames, that may fail after them."""

    lost: Sequence[Loss] = ()
    repaired_times = 0

    def __init__(self, frames: Iterable[Frame], error: Exception | None = None) -> None:
        self._frames, self._error = frames, error
        self.info = INFO
        self.taken = 0

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames:
            self.taken += 1
            yield frame
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        pass


def grey_outputs(pixels: U8) -> dict[str, F32]:
    """Outputs of a network that tells the grey level: logits (n, 2), aligned landmarks, presence 1."""
    n = len(pixels)
    grey = pixels.reshape(n, -1)[:, :1].astype(np.float32)
    return {
        "logits": grey + np.arange(AUS, dtype=np.float32),
        "landmarks": np.broadcast_to(ARCFACE_112, (n, 5, 2)).astype(np.float32),
        "presence": np.ones((n, 1), np.float32),
    }


class FakeEngine:
    """An `Engine` whose outputs are a function of the crops; it notes the size of every batch."""

    def __init__(
        self,
        outputs: Callable[[U8], dict[str, F32]] = grey_outputs,
        batch: int = 4,
        error: Exception | None = None,
    ) -> None:
        self.batches: list[int] = []
        self.closed = False
        self._outputs, self._error = outputs, error
        shapes = {
            name: value.shape[1:] for name, value in outputs(np.zeros((1, 112, 112, 3), np.uint8)).items()
        }
        self.spec = EngineSpec(
            engine="fake",
            network_digest="",
            inputs=(TensorSpec("pixels", (112, 112, 3), "uint8"),),
            outputs=tuple(TensorSpec(name, shape, "float32") for name, shape in shapes.items()),
            precision="f32",
            batch=batch,
            device="cpu",
        )

    def submit(self, inputs: dict[str, U8]) -> Future[dict[str, F32]]:
        pixels = inputs["pixels"]
        self.batches.append(len(pixels))
        future: Future[dict[str, F32]] = Future()
        if self._error is not None:
            future.set_exception(self._error)
        else:
            future.set_result(self._outputs(pixels))
        return future

    def close(self) -> None:
        self.closed = True


def fake_networks(
    faces: Sequence[ScriptedFace],
    engine: FakeEngine | None = None,
    patch_faces: Sequence[ScriptedFace] | None = None,
    outputs: Sequence[TensorSpec] = ALIGNMENT_OUTPUTS,
) -> Networks:
    """Networks of scripted detectors and one engine; patches show `patch_faces`, by default the same."""
    detector = ScriptedDetector(faces)
    return Networks(
        detectors={"small": detector, "large": detector},
        fast_detector=detector,
        patch_detector=ScriptedDetector(faces if patch_faces is None else patch_faces),
        batcher=CropBatcher([engine or FakeEngine()], AUS, outputs=outputs),
        template=ARCFACE_112,
    )


@dataclass
class FakeSink:
    """A `Sink` that keeps the blocks."""

    error: Exception | None = None
    blocks: list[Block] = field(default_factory=list)

    def write(self, block: Block) -> None:
        if self.error is not None:
            raise self.error
        self.blocks.append(block)

    def finish(self, losses: Sequence[Loss], repaired_times: int) -> Path:
        return Path("fake.h5")

    def abandon(self) -> None:
        self.blocks.clear()

    @property
    def faces(self) -> Faces:
        return Faces.concatenate([block.faces for block in self.blocks])

    @property
    def outputs(self) -> Outputs:
        names = self.blocks[0].outputs
        return {name: np.concatenate([block.outputs[name] for block in self.blocks]) for name in names}


def scripted_segment(faces: Sequence[ScriptedFace], frames: range) -> Segment:
    """The segment of some frames as the tracker makes it: the last one detected, the others interpolated."""
    shown = [(number, track) for number in frames for track, face in enumerate(faces) if face.seen(number)]
    last = frames[-1]
    table = Faces(
        row=np.array([number for number, _ in shown], np.int64),
        boxes=np.array([faces[track].box(number) for number, track in shown], np.float32).reshape(-1, 4),
        landmarks=np.array([faces[track].landmarks(number) for number, track in shown], np.float32).reshape(
            -1, 5, 2
        ),
        score=np.array([faces[track].score for _, track in shown], np.float32),
        track=np.array([track for _, track in shown], np.int32),
        source=np.array([DETECTED if number == last else INTERPOLATED for number, _ in shown], np.uint8),
    )
    return Segment.of(
        [Frame(index=i, pts=i, time_s=i / 30, image=FakeImage(i)) for i in frames], table, frames[0]
    )
