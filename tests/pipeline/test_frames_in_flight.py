"""Memory of the frames in flight: bounded in bytes, whatever the size and rate of the frames."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from autrt.pipeline.look_ahead import ON_DEVICE, ON_HOST
from autrt.pipeline.recognise import recognise, recognised_blocks
from autrt.settings import InferSettings
from autrt.types import Frame
from tests.support.fakes import (
    INFO,
    AliveImages,
    FakeDecoder,
    FakeEngine,
    FakeImage,
    FakeSink,
    ScriptedFace,
    fake_networks,
)

FACES = [ScriptedFace(x=lambda i: 100 + i % 50)]
HD, UHD = (1920, 1080), (3840, 2160)


def film(length: int, rate: int, size: tuple[int, int], alive: AliveImages | None = None):
    def frames():
        for i in range(length):
            image = FakeImage(i, width=size[0], height=size[1])
            if alive is not None:
                alive.add(image)
            yield Frame(index=i, pts=i, time_s=i / rate, image=image)

    decoder = FakeDecoder(frames())
    decoder.info = replace(INFO, rate=Fraction(rate))  # as of a small frame: one detector is enough here
    return decoder


class SlowEngine(FakeEngine):
    """An engine that the decoder would run away from."""

    def submit(self, inputs):
        time.sleep(0.002)
        return super().submit(inputs)


@pytest.mark.parametrize(("rate", "size"), [(30, HD), (240, HD), (1000, HD), (60, UHD), (240, UHD)])
def test_frames_in_flight_take_no_more_memory_at_any_rate(rate, size):
    alive, held = AliveImages(), []
    networks = fake_networks(FACES, SlowEngine(batch=16))
    sink, stop = FakeSink(), threading.Event()

    def note(*_):
        held.append(alive.size_bytes())

    recognise(film(300, rate, size, alive), networks, InferSettings(), sink, stop, note)
    assert [i for block in sink.blocks for i in block.index.tolist()] == list(range(300))
    frame = size[0] * size[1] * 3 // 2
    assert max(held) <= ON_HOST.in_flight_bytes + 6 * frame  # those that the threads have in hand


def test_what_waits_between_the_stages_changes_no_result(monkeypatch):
    results = []
    for ahead in (ON_HOST, replace(ON_HOST, in_flight_bytes=1), ON_DEVICE):
        monkeypatch.setattr("autrt.pipeline.networks.ON_HOST", ahead)
        sink = FakeSink()
        recognise(
            film(100, 60, HD), fake_networks(FACES), InferSettings(), sink, threading.Event(), lambda *_: 0
        )
        results.append(sink.outputs)
    for name, values in results[0].items():
        for other in results[1:]:
            np.testing.assert_array_equal(values, other[name])


def test_large_frames_are_detection_frames_more_often():
    for size, every in ((HD, 12), (UHD, 6)):  # 0.2 s of 1080p; of 4K no more than 80 MB
        networks = fake_networks([ScriptedFace(x=lambda i: 100)])
        recognise(film(100, 60, size), networks, InferSettings(), FakeSink(), threading.Event(), lambda *_: 0)
        calls = networks.detectors["small"].calls
        assert sorted(calls) == [*range(0, 99, every), 99], size


def test_frames_in_flight_let_a_run_be_left_early():
    for size in (HD, UHD):
        blocks = recognised_blocks(film(500, 240, size), fake_networks(FACES), InferSettings())
        next(blocks)
        time.sleep(0.05)  # until the decoder waits for room
        blocks.close()
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())
