"""`autrt.recognise` against the results file of the same clip, and how it ends early."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autrt
from autrt.errors import UsageError, VideoError
from autrt.model.folder import load_model
from autrt.postprocess.ensemble import combine, sigmoid
from autrt.postprocess.smooth import median_interval_s, smooth
from autrt.postprocess.temporal import temporal_logits
from autrt.recogniser import video as video_module
from autrt.recogniser.delayed_smoothing import smoothed_frames
from tests.support.fetched import fetched
from tests.support.media import Clip
from tests.support.rows import AUS, make_block, split
from tests.support.ticks import small_ticks

COLUMNS = {
    "box": "box", "landmarks": "landmarks", "score": "score", "track": "track", "source": "source",
    "logit": "logit", "probability": "probability", "smoothed": "smoothed", "active": "active",
}  # fmt: skip


@pytest.fixture(scope="module")
def talk() -> Path:
    fetched("centerface")
    return fetched("clip-talk")


def test_recognise_yields_what_the_file_holds(talk, tmp_path):
    frames = list(autrt.recognise(talk))
    autrt.infer(talk, tmp_path)
    with autrt.open_results(tmp_path / f"{talk.name}.h5") as results:
        assert [frame.index for frame in frames] == results.frames["index"].tolist()
        assert [frame.pts for frame in frames] == results.frames["pts"].tolist()
        assert [frame.time_s for frame in frames] == results.frames["time_s"].tolist()
        assert [len(frame.faces) for frame in frames] == results.frames["n_faces"].tolist()
        assert frames[0].faces.au_names == results.au_names
        for name, column in COLUMNS.items():
            found = np.concatenate([getattr(frame.faces, name) for frame in frames])
            assert found.dtype == results.faces[column].dtype
            np.testing.assert_allclose(found, results.faces[column], atol=1e-6, err_msg=name)


def test_recognise_ends_its_threads_and_closes_the_video(tmp_path, monkeypatch):
    fetched("centerface")
    long = Clip("mpeg4", frames=2000).write(tmp_path / "long.mp4")
    opened = []
    real = video_module.open_decoder
    monkeypatch.setattr(
        video_module, "open_decoder", lambda *a, **k: opened.append(Closing(real(*a, **k))) or opened[-1]
    )
    with closing(autrt.recognise(long)) as frames:
        first = next(frames)
        assert any(thread.name == "prefetch" for thread in threading.enumerate())
    assert first.index == 0
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())
    assert [decoder.closed for decoder in opened] == [True]


class Closing:
    """A decoder that notes whether it was closed."""

    def __init__(self, decoder) -> None:
        self.decoder, self.info, self.closed = decoder, decoder.info, False

    def __iter__(self):
        return iter(self.decoder)

    def close(self) -> None:
        self.closed = True
        self.decoder.close()


def test_recognise_refuses_what_is_no_single_video(talk, tmp_path):
    (tmp_path / "junk.mp4").write_text("no video")
    for name in ("junk.mp4", "missing.mp4"):
        with pytest.raises(VideoError, match=f"^{tmp_path / name}: "):
            next(autrt.recognise(tmp_path / name))
    for wrong in ("", b"a.mp4", None):
        with pytest.raises(UsageError, match="video: expected a path"):
            next(autrt.recognise(wrong))  # pyright: ignore[reportArgumentType]
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").symlink_to(talk)
    with pytest.raises(UsageError, match="expected one video, found"):
        next(autrt.recognise(tmp_path))


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 400), max_size=40), seed=st.integers(0, 50), domain=st.booleans())
def test_smoothed_frames_equal_smoothing_the_whole(cuts, seed, domain):
    block = make_block(400, seed=seed)
    model = FakeModel("probability" if domain else "logit")
    frames = list(smoothed_frames(split(block, cuts), model))
    assert [frame.damaged for frame in frames] == block.damaged.tolist()
    logits = combine(block.member_logits, model.weights)
    values = sigmoid(logits) if domain else logits
    times = block.time_s[block.faces.row]
    whole = smooth(values, block.faces.track, times, model.smoothing_windows, median_interval_s(block.time_s))
    expected = whole if domain else sigmoid(whole)
    assert [frame.index for frame in frames] == list(range(400))
    found = np.concatenate([frame.faces.smoothed for frame in frames])
    assert np.mean(np.abs(found - expected) > 1e-6) < 0.02  # the interval of the first frames may differ
    np.testing.assert_array_equal(np.concatenate([frame.faces.box for frame in frames]), block.faces.boxes)


@settings(max_examples=5, deadline=None)
@given(cuts=st.lists(st.integers(1, 900), max_size=40), features=st.sampled_from([0, 3]))
def test_temporal_network_gives_in_pieces_what_it_gives_at_once(cuts, features):
    block = make_block(900)
    seen = np.random.default_rng(1).normal(size=(len(block.faces), 3)).astype(np.float32)
    block = replace(block, outputs={**block.outputs, "features": seen})
    model, network = FakeModel("logit"), small_ticks(features=features)
    frames = list(smoothed_frames(split(block, cuts), model, network))
    assert [frame.index for frame in frames] == list(range(900))
    logits, times = combine(block.member_logits, model.weights), block.time_s[block.faces.row]
    whole = temporal_logits(
        network, logits, seen if features else None, block.faces.track, times, median_interval_s(block.time_s)
    )
    found = np.concatenate([frame.faces.smoothed for frame in frames])
    np.testing.assert_array_equal(found, sigmoid(whole))


class FakeModel:
    """What smoothing needs of a model."""

    au_names = AUS
    weights = np.array([[1, 0.5, 0], [1, 0.5, 1]], np.float32)
    thresholds = np.full(3, 0.5, np.float32)
    smoothing_windows = np.array([10, 1, 24], np.int32)

    def __init__(self, domain: str) -> None:
        self.smoothing_domain = domain


def test_smoothed_frames_are_delayed_by_half_a_window():
    model = load_model("student")
    widest_s = (int(model.smoothing_windows.max()) - 1) / 60
    block = make_block(300, n_members=1)
    narrow = model_with_aus(model, block)
    taken = []

    def blocks():
        for part in split(block, list(range(1, 300))):
            taken.append(float(part.time_s[-1]))
            yield part

    longest_step_s = float(np.diff(block.time_s).max())
    for frame in smoothed_frames(blocks(), narrow):
        assert taken[-1] - frame.time_s <= widest_s + 2 * longest_step_s + 0.1
        assert taken[-1] - frame.time_s >= widest_s or taken[-1] == block.time_s[-1]


def model_with_aus(model, block):
    fake = FakeModel("logit")
    fake.weights = np.ones((1, 3), np.float32)
    fake.smoothing_windows = np.full(3, model.smoothing_windows.max())
    return fake
