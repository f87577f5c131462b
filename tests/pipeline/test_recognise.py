"""The flow of one video: order, progress, stop, errors of every stage, threads that end, pictures freed."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.errors import EngineError, VideoError
from autrt.pipeline.recognise import StoppedError, recognise, recognised_blocks
from autrt.settings import InferSettings
from autrt.types import Frame
from tests.pipeline.test_check_alignment import FAR_PX, engine_with_shifts
from tests.support.fakes import (
    AliveImages,
    FakeDecoder,
    FakeEngine,
    FakeImage,
    FakeSink,
    ScriptedDetector,
    ScriptedFace,
    fake_networks,
    scripted_frames,
)

FACES = [ScriptedFace(x=lambda i: 100 + i % 50), ScriptedFace(x=lambda i: 450, seen=lambda i: 20 <= i < 75)]


def run(decoder, networks=None, sink=None, stop=None, advance=lambda *_: None):
    sink = sink or FakeSink()
    recognise(
        decoder, networks or fake_networks(FACES), InferSettings(), sink, stop or threading.Event(), advance
    )
    return sink


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


faces = st.lists(
    st.builds(
        lambda x, begin, length: ScriptedFace(x=lambda i: x, seen=lambda i: begin <= i < begin + length),
        st.floats(0, 500), st.integers(0, 60), st.integers(1, 80),
    ),
    max_size=3,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(faces=faces, length=st.integers(0, 90), cut=st.integers(1, 90), batch=st.integers(1, 9))
def test_recognise_gives_every_frame_once_with_its_own_outputs(faces, length, cut, batch):
    decoder = FakeDecoder(scripted_frames(length, scene=lambda i: int(i >= cut)))
    sink = run(decoder, fake_networks(faces, FakeEngine(batch=batch)))
    assert [i for block in sink.blocks for i in block.index.tolist()] == list(range(length))
    for block in sink.blocks:
        assert set(block.faces.row.tolist()) <= set(block.index.tolist())
        np.testing.assert_array_equal(block.member_logits[:, 0, 0], block.faces.row)


def test_recognise_reports_the_progress_of_every_block():
    steps = []
    run(
        FakeDecoder(scripted_frames(40)), advance=lambda frames, time_s, faces: steps.append((frames, time_s))
    )
    assert sum(frames for frames, _ in steps) == 40
    assert [time_s for _, time_s in steps] == sorted(time_s for _, time_s in steps)
    assert steps[-1][1] == pytest.approx(39 / 30)


def test_recognise_does_not_depend_on_the_networks_batch():
    results = [
        run(FakeDecoder(scripted_frames(90)), fake_networks(FACES, FakeEngine(batch=b))) for b in (1, 16)
    ]
    for name, values in results[0].outputs.items():
        np.testing.assert_array_equal(values, results[1].outputs[name])


def test_recognise_stops_early_and_leaves_frames_undecoded():
    stop, decoder = threading.Event(), FakeDecoder(scripted_frames(5000))
    sink = FakeSink()
    with pytest.raises(StoppedError):
        run(decoder, sink=sink, stop=stop, advance=lambda *_: stop.set())
    assert len(sink.blocks) == 1
    assert decoder.taken < 200


def test_recognise_raises_the_decoders_error_after_its_frames():
    decoder, sink = FakeDecoder(scripted_frames(50), VideoError("cut off")), FakeSink()
    with pytest.raises(VideoError, match="cut off"):
        run(decoder, sink=sink)


@pytest.mark.parametrize("number", [0, 48, 1200])
def test_recognise_raises_the_detectors_error(number):
    networks = fake_networks(FACES)
    broken = ScriptedDetector(FACES, error_at=number)
    with pytest.raises(EngineError, match="detector broken"):
        run(
            FakeDecoder(scripted_frames(2000)),
            replace(networks, detectors={"small": broken, "large": broken}),
        )


def test_recognise_raises_the_engines_error():
    with pytest.raises(EngineError, match="no luck"):
        run(
            FakeDecoder(scripted_frames(2000)),
            fake_networks(FACES, FakeEngine(error=EngineError("no luck"))),
        )


def test_recognise_raises_the_patch_detectors_error():
    networks = fake_networks(FACES, engine_with_shifts({3: FAR_PX}))
    broken = replace(networks, patch_detector=ScriptedDetector(FACES, error_at=3))
    with pytest.raises(EngineError, match="detector broken"):
        run(FakeDecoder(scripted_frames(2000)), broken)


def test_recognise_raises_the_sinks_error():
    with pytest.raises(OSError, match="disk"):
        run(FakeDecoder(scripted_frames(2000)), sink=FakeSink(OSError("disk")))


def test_recognised_blocks_closed_early_end_their_threads():
    blocks = recognised_blocks(FakeDecoder(scripted_frames(5000)), fake_networks(FACES), InferSettings())
    next(blocks)
    assert threading.active_count() > 1
    blocks.close()


@pytest.mark.parametrize("length", [300, 900])
def test_recognise_holds_few_pictures_however_long_the_video(length):
    alive = AliveImages()

    def frames():
        for i in range(length):
            image = FakeImage(i)
            alive.add(image)
            yield Frame(index=i, pts=i, time_s=i / 30, image=image)

    held = []
    run(FakeDecoder(frames()), advance=lambda *_: held.append(len(alive)))
    # 8 frames decoded ahead, 2 for cuts, 2·6 for detections, and at most 6 segments of 6 frames
    assert max(held) <= 70
