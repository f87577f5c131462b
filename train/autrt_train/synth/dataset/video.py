"""A labelled video: one to three people in several shots, encoded, with the ground truth beside it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from autrt.types import U8
from autrt_train.synth.dataset.settings import SynthSettings
from autrt_train.synth.person.expression import SYNTH_AUS, hard_labels, soft_targets
from autrt_train.synth.person.face_motion import draw_face_motion
from autrt_train.synth.scene.face import FaceRenderer, draw_person
from autrt_train.synth.scene.shot import Actor, FaceLabels, draw_frame, draw_shot
from autrt_train.types import MISSING

VIDEO_STREAM: Final = 1 << 20
"""Separates the random numbers of videos from those of people in stills."""
CAST_MAX: Final = 3
CAST_SIZE: Final = (0.5, 0.3, 0.2)
"""Probabilities of videos with one, two and three people."""


def record_video(path: Path, renderer: FaceRenderer, settings: SynthSettings, number: int) -> None:
    """Render video `number` of a set to `path` (.mp4), and its ground truth to an .npz file beside it."""
    rng = np.random.default_rng([settings.seed, VIDEO_STREAM, number])
    actors = _cast(rng, renderer, settings, number)
    labels = _VideoLabels([actor.number for actor in actors])
    _encode(path, settings, _frames(rng, renderer, settings, actors, labels), int(rng.integers(18, 29)))
    labels.save(path.with_suffix(".npz"), settings.rate)


def _cast(
    rng: np.random.Generator, renderer: FaceRenderer, settings: SynthSettings, number: int
) -> list[Actor]:
    """Draw people who are in no still and no other video."""
    first = settings.people + CAST_MAX * number
    return [
        Actor(
            first + k,
            draw_person(rng, renderer.rig, settings.randomisation),
            draw_face_motion(rng, renderer.rig, settings.randomisation, settings.video_s),
        )
        for k in range(1 + int(rng.choice(CAST_MAX, p=CAST_SIZE)))
    ]


def _frames(
    rng: np.random.Generator,
    renderer: FaceRenderer,
    settings: SynthSettings,
    actors: list[Actor],
    labels: _VideoLabels,
) -> Iterator[U8]:
    """Yield frame by frame and add the ground truth of each to `labels`."""
    count, cut, at = max(1, round(settings.video_s * settings.rate)), 0, 0
    shot = None
    for k in range(count):
        if shot is None or k == cut:
            present = rng.permutation(len(actors))[: rng.integers(1, len(actors) + 1)]
            shot = draw_shot(rng, settings, [actors[i] for i in present])
            at, cut = at + (k > 0), k + max(2, round(rng.uniform(*settings.shot_s) * settings.rate))
        pixels, seen = draw_frame(rng, renderer, shot, k / settings.rate)
        labels.add(at, seen)
        yield pixels


class _VideoLabels:
    """Ground truth of N frames and P people of the cast; absent people are −1 and NaN."""

    def __init__(self, numbers: list[int]) -> None:
        self._column = {number: k for k, number in enumerate(numbers)}
        self._shots: list[int] = []
        self._seen: list[list[FaceLabels]] = []

    def add(self, shot: int, seen: list[FaceLabels]) -> None:
        """Add the next frame."""
        self._shots.append(shot)
        self._seen.append(seen)

    def save(self, path: Path, rate: float) -> None:
        """Write the ground truth of all frames."""
        n, p = len(self._seen), len(self._column)
        person = np.full((n, p), MISSING, np.int32)
        box, landmarks = np.full((n, p, 4), np.nan, np.float32), np.full((n, p, 5, 2), np.nan, np.float32)
        intensity = np.full((n, p, len(SYNTH_AUS)), np.nan, np.float32)
        for k, faces in enumerate(self._seen):
            for face in faces:
                cell = k, self._column[face.number]
                person[cell], box[cell] = face.number, face.box
                landmarks[cell], intensity[cell] = face.landmarks, face.intensities
        np.savez_compressed(
            path,
            time_s=np.arange(n) / rate,
            shot=np.array(self._shots, np.int32),
            person=person,
            box=box,
            landmarks=landmarks,
            intensity=intensity,
            label=hard_labels(intensity),
            target=soft_targets(intensity),
            au_names=np.array(SYNTH_AUS),
        )


def _encode(path: Path, settings: SynthSettings, frames: Iterator[U8], quality: int) -> None:
    """Encode H.264 where PyAV has an encoder for it, else MPEG-4; `quality` is x264's CRF."""
    h264 = "libx264" in av.codecs_available
    # x264's macroblock tree and several threads do not always give the same bytes for the same frames.
    fixed = {"crf": str(quality), "preset": "veryfast", "x264-params": "mbtree=0"}
    options = fixed if h264 else {"qscale": "4"}
    with av.open(str(path), "w") as container:
        rate = Fraction(settings.rate).limit_denominator(1001)
        stream: Any = container.add_stream("libx264" if h264 else "mpeg4", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = settings.width_px, settings.height_px, "yuv420p"
        stream.codec_context.thread_count = 1
        # Players assume these colour spaces for untagged videos.
        colours = "ITU709" if settings.height_px >= 720 else "ITU601"
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=colours)))
        container.mux(stream.encode(None))
