"""The flow in tensors over what PyAV decodes, several videos at once, against the ordinary flow."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from torch import Tensor

from autrt.engine.batcher import CropBatcher
from autrt.gpu import transfer
from autrt.gpu.memory import DeviceMemory
from autrt.model.folder import DEFAULT_MODEL, load_model
from autrt.pipeline.networks import Networks
from autrt.pipeline.open_networks import open_members, open_networks
from autrt.pipeline.recognise import recognised_blocks
from autrt.settings import MAX_PIXELS, InferSettings
from autrt.types import F32, Faces, Image, Stream
from autrt.video.open import find_decoder
from tests.support.fetched import fetched

SHOT = 12
"""Frames of a shot."""


def scenes(pictures: list[np.ndarray], width: int, height: int) -> list[np.ndarray]:
    """Return shots of one face, of two small ones, and of one that leaves the picture."""
    one = [cv2.resize(picture, (width, height)) for picture in pictures[:SHOT]]
    small = [cv2.resize(picture, (width // 2, height)) for picture in pictures[SHOT : 2 * SHOT]]
    two = [
        np.hstack([picture, picture[:, ::-1], picture[:, : width - 2 * (width // 2)]]) for picture in small
    ]
    leaving = [np.roll(picture, -width * i // 30, axis=1) for i, picture in enumerate(one)]
    for i, picture in enumerate(leaving):
        picture[:, width - width * i // 30 :] = 90
    return [*one, *two, *leaving]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The scenes in 8 bits, and in 10 bits at an odd size."""
    fetched("centerface")
    with av.open(str(fetched("clip-smile"))) as source:
        pictures = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    folder, paths = tmp_path_factory.mktemp("clips"), []
    for format_, width, height in (("yuv420p", 640, 360), ("yuv420p10le", 611, 343)):
        paths.append(folder / f"{format_}.mkv")
        with av.open(str(paths[-1]), "w") as target:
            stream = target.add_stream("ffv1", rate=Fraction(25))
            stream.width, stream.height, stream.pix_fmt = width, height, format_
            for i, picture in enumerate(scenes(pictures, width, height)):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=format_)
                frame.pts, frame.time_base = i, Fraction(1, 25)
                target.mux(stream.encode(frame))
            target.mux(stream.encode(None))
    return paths


def told(path: Path, networks: Networks, decoder: str) -> tuple[Faces, np.ndarray]:
    with closing(find_decoder(decoder)(path, "cpu", MAX_PIXELS)) as opened:
        blocks = list(recognised_blocks(opened, networks, InferSettings()))
    faces = Faces.concatenate([block.faces for block in blocks])
    return faces, np.concatenate([block.member_logits for block in blocks])[:, 0]


class WatchedMemory(DeviceMemory):
    """Notes the work that threads do outside of the stream of a video."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__("cpu")
        self.inside, self.outside, self.counted, self.streams = threading.local(), 0, 0, 0
        count = transfer._count
        monkeypatch.setattr(transfer, "_count", lambda kind: (self.note(), count(kind)))

    def note(self) -> None:
        self.counted += 1
        self.outside += getattr(self.inside, "stream", None) is None

    def stream(self) -> Stream:
        self.streams += 1
        number = self.streams

        @contextmanager
        def entered() -> Generator[None]:
            assert getattr(self.inside, "stream", None) is None
            self.inside.stream = number
            yield
            self.inside.stream = None

        return entered

    def aligned(self, images: Sequence[Image], matrices: F32) -> Tensor:
        self.note()
        return super().aligned(images, matrices)


def test_tensors_give_the_same_faces_and_logits(clips: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    memory = WatchedMemory(monkeypatch)
    model, settings = load_model(DEFAULT_MODEL), InferSettings()
    with closing(open_networks(model, settings, threads=2)) as networks:
        crops = CropBatcher(open_members(model, settings, 2), len(model.au_names), memory)
        with closing(crops), ThreadPoolExecutor(2) as pool:
            on_device = replace(networks, batcher=crops)
            others = pool.map(told, clips, [on_device] * 2, ["pyav-uploaded"] * 2, timeout=600)
            for path, (faces, logits) in zip(clips, others, strict=True):
                usual, usual_logits = told(path, networks, "pyav")
                np.testing.assert_array_equal(faces.row, usual.row)
                np.testing.assert_array_equal(faces.track, usual.track)
                assert len(np.unique(faces.track)) >= 4
                side = np.sqrt(np.prod(usual.boxes[:, 2:] - usual.boxes[:, :2], axis=1, keepdims=True))
                assert np.percentile(np.abs(faces.boxes - usual.boxes) / side, 99) < 0.02
                difference = np.abs(logits - usual_logits)
                assert np.median(difference) < 0.03
                assert np.percentile(difference, 99) < 0.4
    assert memory.streams == 2
    assert memory.counted > 10
    assert memory.outside == 0
