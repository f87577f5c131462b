"""The stage that finds misaligned faces by the networks' outputs."""

from __future__ import annotations

import numpy as np
import pytest

from autrt.errors import EngineError
from autrt.face.misalignment import MOVE_MAX, MOVE_MIN
from autrt.pipeline.align import align
from autrt.pipeline.check_alignment import check_alignment
from autrt.template import EYE_DISTANCE_PX
from tests.support.fakes import INFO, FakeEngine, ScriptedFace, fake_networks, grey_outputs, scripted_segment

FACE = [ScriptedFace(x=lambda i: 100)]
OFF_PX, FAR_PX = (MOVE_MIN + 0.02) * EYE_DISTANCE_PX, (MOVE_MAX + 0.02) * EYE_DISTANCE_PX


def engine_with_shifts(shifts, absent=()):
    """An engine whose landmark head is off by some crop pixels in some frames, and that sees no face in others."""

    def outputs(pixels):
        out = grey_outputs(pixels)
        numbers = pixels[:, 0, 0, 0].tolist()
        shift = np.array([shifts.get(number, 0.0) for number in numbers], np.float32)
        out["landmarks"] = out["landmarks"] + shift[:, None, None]
        out["presence"] = np.array([[-1.0 if number in absent else 1.0] for number in numbers], np.float32)
        return out

    return FakeEngine(outputs)


def checked(engine, *segments, patch_faces=None):
    networks = fake_networks(FACE, engine, patch_faces)
    stage = check_alignment(align(segments, networks, INFO), networks)
    return list(stage), networks.patch_detector


def test_check_alignment_fills_in_the_outputs():
    (segment,), _ = checked(FakeEngine(), scripted_segment(FACE, range(7)))
    np.testing.assert_array_equal(segment.outputs["logits"][:, 0, 0], range(7))
    assert set(segment.outputs) == {"logits", "landmarks", "presence"}


def test_check_alignment_of_aligned_faces_keeps_no_patch():
    (segment,), patch_detector = checked(FakeEngine(), scripted_segment(FACE, range(7)))
    assert segment.patches == segment.redetections == {}
    assert patch_detector.calls == []


def test_check_alignment_redetects_only_faces_that_are_far_off():
    engine = engine_with_shifts({2: OFF_PX, 4: FAR_PX}, absent=[5])
    first, second = scripted_segment(FACE, range(1)), scripted_segment(FACE, range(1, 7))
    (_, segment), patch_detector = checked(engine, first, second)
    assert patch_detector.calls == [4, 5]
    rows = {number: number - 1 for number in (2, 4, 5)}
    assert sorted(segment.patches) == sorted(rows.values())
    assert sorted(segment.redetections) == [rows[4], rows[5]]
    assert np.flatnonzero(segment.misalignment.to_move).tolist() == [rows[2]]


def test_check_alignment_remembers_the_detection_before():
    bias = dict.fromkeys(range(20), FAR_PX)
    segments = [scripted_segment(FACE, range(1)), scripted_segment(FACE, range(1, 7))]
    (_, segment), _ = checked(engine_with_shifts(bias), *segments)
    assert not segment.misalignment.to_redetect.any()


def test_check_alignment_without_landmark_head_finds_nothing():
    engine = FakeEngine(lambda pixels: {"logits": grey_outputs(pixels)["logits"]})
    (segment,), patch_detector = checked(engine, scripted_segment(FACE, range(7)))
    assert set(segment.outputs) == {"logits"}
    assert patch_detector.calls == []


def test_check_alignment_raises_an_engines_failure():
    with pytest.raises(EngineError, match="no luck"):
        checked(FakeEngine(error=EngineError("no luck")), scripted_segment(FACE, range(2)))
