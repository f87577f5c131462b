"""Small fakes of the project's Protocols, for runs in this process: decoder, detector, engine, reporter."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from autrt.console.progress import VideoProgress
from autrt.engine.batcher import CropBatcher
from autrt.model.folder import load_model
from autrt.pipeline.networks import Networks
from autrt.run.job import Job
from autrt.settings import InferSettings
from autrt.template import ARCFACE_112
from autrt.types import Detections, EngineSpec, Frame, Loss, Source, TensorSpec, VideoInfo
from autrt.video.planar_image import PlanarImage, Plane

WIDTH, HEIGHT, RATE = 320, 240, Fraction(25)
BOX = np.array([[100, 60, 212, 172]], np.float32)
LANDMARKS = (ARCFACE_112[None] + [100, 60]).astype(np.float32)


def grey_of(index: int) -> int:
    """Grey level of a fake frame."""
    return 60 + min(index, 100)


class FakeDecoder:
    """A `Decoder` of frames that grow brighter; `at_frame` is called with each index and may raise."""

    repaired_times = 0

    def __init__(
        self,
        n_frames: int = 50,
        lost: Sequence[Loss] = (),
        at_frame: Callable[[int], object] = lambda index: None,
        damaged: range = range(0),
    ) -> None:
        self.n_frames, self.lost, self.at_frame, self.damaged = n_frames, lost, at_frame, damaged
        self.closed = False
        self.info = VideoInfo(
            path=Path("fake.mp4"),
            kind="video",
            width=WIDTH,
            height=HEIGHT,
            time_base=1 / RATE,
            rate=RATE,
            frame_count=n_frames,
            duration_s=float(n_frames / RATE),
            codec="fake",
            pixel_format="rgb24",
            times_from="stamps",
        )

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.n_frames):
            self.at_frame(index)
            picture = np.full((HEIGHT, WIDTH, 3), grey_of(index), np.uint8)
            image, damaged = PlanarImage((Plane(picture),), None), index in self.damaged
            yield Frame(index=index, pts=index, time_s=index / 25, image=image, damaged=damaged)

    def close(self) -> None:
        self.closed = True


class FakeDetector:
    """A `FaceDetector` that sees faces at the same places in every picture."""

    digest = "fake"

    def __init__(self, boxes: np.ndarray = BOX, landmarks: np.ndarray = LANDMARKS) -> None:
        self.boxes, self.landmarks = boxes, landmarks
        self.calls = 0

    def submit(self, image: Any, pixel_aspect: Fraction = Fraction(1)) -> Future[Detections]:
        self.calls += 1
        future: Future[Detections] = Future()
        score = np.full(len(self.boxes), 0.9, np.float32)
        future.set_result(Detections(self.boxes.copy(), self.landmarks.copy(), score))
        return future

    def close(self) -> None:
        """Nothing to close."""


class FakeEngine:
    """An `Engine` whose logits are the crop's mean grey / 100 + the AU's place; counts the crops."""

    def __init__(
        self,
        au_names: Sequence[str],
        error: Exception | None = None,
        head: Callable[[np.ndarray], dict[str, np.ndarray]] = lambda crops: {},
    ) -> None:
        self.error, self.head = error, head
        self.crops = 0
        names = ("logits",)
        self.spec = EngineSpec(
            engine="fake",
            network_digest="fake",
            inputs=(TensorSpec("pixels", (112, 112, 3), "uint8"),),
            outputs=tuple(TensorSpec(name, (len(au_names),), "float32") for name in names)
            + tuple(
                TensorSpec(name, values.shape[1:], "float32")
                for name, values in head(np.zeros((1, 112, 112, 3), np.uint8)).items()
            ),
            precision="f32",
            batch=4,
            device="cpu",
            au_names=tuple(au_names),
        )

    def submit(self, inputs: Mapping[str, np.ndarray]) -> Future[dict[str, np.ndarray]]:
        future: Future[dict[str, np.ndarray]] = Future()
        if self.error is not None:
            future.set_exception(self.error)
            return future
        crops = inputs["pixels"].copy()
        self.crops += len(crops)
        grey = crops.mean(axis=(1, 2, 3)) / 100
        logits = (grey[:, None] + np.arange(len(self.spec.au_names))).astype(np.float32)
        future.set_result({"logits": logits, **self.head(crops)})
        return future

    def infer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.submit(inputs).result()

    def close(self) -> None:
        """Nothing to close."""


class FakeReporter:
    """A `Reporter` that keeps what it is told, in order."""

    live = False

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self._lock = threading.Lock()

    def begin(self, videos: int, frames: int | None = None, *, skipped: int = 0) -> None:
        self._add("begin", videos, skipped)

    def expect(self, name: str, length_s: float | None) -> None:
        self._add("expect", name, length_s)

    def advance(self, done: VideoProgress, name: str = "") -> None:
        self._add("advance", name, done.frames, done.position_s)

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        self._add("ended", name, status, facts)

    def say(self, line: str) -> None:
        self._add("say", line)

    def conclude(self, facts: dict[str, Any]) -> None:
        self._add("conclude", facts)

    def close(self) -> None:
        self._add("close")

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        """Events of one kind, without its name."""
        return [event[1:] for event in self.events if event[0] == kind]

    def _add(self, *event: Any) -> None:
        with self._lock:
            self.events.append(event)


def fake_networks(engine: FakeEngine, detector: FakeDetector | None = None) -> Networks:
    """Networks of one fake engine and fake detectors."""
    detector = detector or FakeDetector()
    batcher = CropBatcher([engine], len(engine.spec.au_names))
    return Networks(
        detectors={"small": detector, "large": detector},
        fast_detector=detector,
        patch_detector=detector,
        batcher=batcher,
        template=ARCFACE_112,
    )


def fake_job(out: Path, **settings: Any) -> Job:
    """A job of the packaged model, whose engine is to be a fake one."""
    return Job(
        out=out,
        model=load_model("student"),
        settings=InferSettings(**settings),
        detector_digest="fake",
        command="autrt infer x",
        threads=2,
    )


def fake_source(folder: Path, name: str) -> Source:
    """A source whose file is there, for its size and fingerprint: the name and a zero byte, as text is no video."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(os.fsencode(name) + b"\0")
    return Source(folder / name, name, "video")
