"""`autrt.Recogniser`: Action Units of pictures in memory and of live streams."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Never, Self

import numpy as np

from autrt.download.fetch import fetch
from autrt.errors import UsageError
from autrt.model.folder import Model
from autrt.pipeline.open_networks import DETECTOR_FILE, open_networks
from autrt.pipeline.recognise import recognised_blocks
from autrt.postprocess.temporal import TICK_RATE
from autrt.recogniser.arrays import PictureInMemory, picture_frame
from autrt.recogniser.checked_picture import checked_picture
from autrt.recogniser.delayed_smoothing import smoothed_frames
from autrt.recogniser.faces import RecognisedFaces, RecognisedFrame
from autrt.recogniser.follow import FaceFollower
from autrt.recogniser.scores import combined_logits, recognised_faces
from autrt.recogniser.timed_pictures import timed_pictures
from autrt.recogniser.trailing_smoothing import TrailingSmoother
from autrt.run.job import Job
from autrt.run.option_checks import checked_function, checked_option
from autrt.run.options import InferOptions, resolve
from autrt.settings import DETECT_INTERVAL_S, Quality
from autrt.types import F32, Block, Faces, Frame


class Recogniser:
    """Networks that are opened once, for pictures in memory and live streams.

    A context manager::

        with autrt.Recogniser() as r:
            faces = r(picture)  # uint8 (height, width, 3) RGB

    Opening takes about a second, a picture some milliseconds. Several threads may use one `Recogniser`: their
    pictures and streams do not influence each other's numbers. A single stream is for one thread at a time, and
    each process opens its own `Recogniser`.

    Args:
        model: a packaged model's name, or a model folder; by default `student`, for quality max `student-mirror`.
        engine: auto, openvino, onnxruntime, torch, tensorrt, tensorrt-rtx or torch-tensorrt.
        device: auto, cpu or cuda:N.
        precision: auto, f32, bf16, fp16 or int8.
        quality: max, balanced or fast; see `autrt.infer`.
        offline: never use the network; the face detector must have been fetched.
        on_message: takes a line when something is fetched.

    Raises:
        UsageError: an option is wrong, or the face detector cannot be had.
        MissingDependencyError: the engine's library is not installed.
        EngineError: the engine cannot run here.
    """

    def __init__(
        self,
        model: str | PathLike[str] | None = None,
        *,
        engine: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        quality: Quality = "balanced",
        offline: bool = False,
        on_message: Callable[[str], object] | None = None,
    ) -> None:
        options = InferOptions(
            inputs=(),
            out=Path(),
            command="autrt.Recogniser",
            model=checked_option("model", model),
            engine=engine,
            device=device,
            precision=precision,
            quality=quality,
            offline=offline,
        )
        checked_function("on_message", on_message)
        job, _ = resolve(options)
        fetch(DETECTOR_FILE, offline=offline, report=on_message or (lambda _: None))
        self._job = job
        self._networks = open_networks(job.model, job.settings, job.threads, batch=1)
        self._open = True
        self._process = os.getpid()

    @property
    def model(self) -> Model:
        """The model: names of its Action Units, thresholds, windows, grades."""
        return self._job.model

    @property
    def job(self) -> Job:
        """The resolved settings, as a results file's header states them."""
        return self._job

    @property
    def au_names(self) -> tuple[str, ...]:
        """The Action Units, in the order of the results' arrays."""
        return self._job.model.au_names

    def __call__(self, picture: Any) -> RecognisedFaces:
        """Return the faces of one picture with their Action Units, as `autrt infer` finds them in a picture file.

        Faces are numbered from 0, left to right, and nothing is smoothed: `smoothed` equals `probability`, unless
        the model has a temporal network, which then sees this one frame.

        Args:
            picture: uint8 (H, W, 3) RGB. (OpenCV reads BGR: `picture[:, :, ::-1]`.)

        Raises:
            UsageError: the picture is of another shape or dtype, or the recogniser was closed or opened in another
                process.
            EngineError: a network failed.
        """
        self._require_open()
        decoder = PictureInMemory(checked_picture(picture))
        with closing(recognised_blocks(decoder, self._networks, self._job.settings)) as blocks:
            (frame,) = smoothed_frames(blocks, self._job.model, self._networks.temporal)
        return frame.faces

    def stream(self, frames: Iterable[tuple[Any, float]]) -> Iterator[RecognisedFrame]:
        """Yield each frame of a webcam or any other source as soon as it is recognised.

        The stream is causal: each frame's result is yielded before the next frame is asked for. So it differs from
        `autrt infer` on a file in three ways:

        - Faces are detected every 0.2 s (0.4 s for quality fast). Between, a face is followed by the networks' own
          landmark head from where it was; a file interpolates between the detections before and after. So a face
          that appears is found up to 0.2 s late, and landmarks are a little less steady.
        - `smoothed` is the mean over the last w frames at 30 frames/s, where a file takes as many frames before as
          after. So it lags by half a window: 0.15 s for most Action Units, 0.38 s for AU2 and AU25.
        - Where another person's face goes on in the place of one, after a cut or a dissolve, a new track begins
          once that is sure: on the third detection after it, 0.4 to 0.6 s late.

        Args:
            frames: pairs of a picture, uint8 (H, W, 3) RGB, and its time in seconds, which must increase.

        Yields:
            The frames, numbered from 0.

        Raises:
            UsageError: the model has a temporal network, which looks ahead, a picture is of another shape or dtype,
                times do not increase, or the recogniser was closed or opened in another process.
            EngineError: a network failed.
        """
        for recognised, _ in self.stream_with_blocks(frames):
            yield recognised

    def stream_with_blocks(
        self, frames: Iterable[tuple[Any, float]]
    ) -> Iterator[tuple[RecognisedFrame, Block]]:
        """Yield what `stream` yields, each frame with its rows as a sink of results takes them."""
        self._require_open()
        self._require_causal()
        follower = FaceFollower(self._networks, DETECT_INTERVAL_S[self._job.settings.quality])
        smoother = TrailingSmoother(self._job.model)
        for index, (picture, time_s) in enumerate(timed_pictures(frames)):
            self._require_open()
            frame = picture_frame(picture, index, time_s)
            faces, member_logits = follower.follow(frame)
            logits = combined_logits(self._job.model, member_logits)
            smoothed = smoother.smooth(faces.track, time_s, logits)
            recognised = RecognisedFrame(
                index=index,
                pts=frame.pts,
                time_s=time_s,
                faces=recognised_faces(self._job.model, faces, logits, smoothed),
            )
            yield recognised, _block(frame, faces, member_logits)

    def close(self) -> None:
        """Close the networks; results that were returned stay usable."""
        if self._open:
            self._open = False
            if os.getpid() == self._process:
                self._networks.close()

    def _require_causal(self) -> None:
        temporal = self._job.model.temporal
        if temporal is not None:
            raise UsageError(
                f"stream: expected a model without a temporal network, as a stream gives each frame before it sees "
                f"the next; that of {self._job.model.name!r} looks {temporal.reach_ticks / TICK_RATE:.1f} s ahead: "
                "stream with the model that it was made from, or record, and use autrt.recognise or autrt.infer"
            )

    def _require_open(self) -> None:
        if not self._open:
            raise UsageError("this Recogniser was closed: open a new one, or use it inside its `with` block")
        if os.getpid() != self._process:
            raise UsageError("this Recogniser was opened in another process: open one in each process")

    def __reduce__(self) -> Never:
        raise TypeError("a Recogniser cannot be pickled: open one in each process")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        settings = self._job.settings
        state = "" if self._open else ", closed"
        engine = f"{settings.engine} {settings.precision} on {settings.device}"
        return f"<Recogniser {self._job.model.name}, {engine}{state}>"


def _block(frame: Frame, faces: Faces, member_logits: F32) -> Block:
    """Return one frame as a block."""
    return Block(
        index=np.array([frame.index], np.int64),
        pts=np.array([frame.pts], np.int64),
        time_s=np.array([frame.time_s], np.float64),
        damaged=np.zeros(1, np.bool_),
        faces=faces,
        outputs={"logits": member_logits},
    )
