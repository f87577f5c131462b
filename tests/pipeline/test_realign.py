"""The stages that place misaligned faces again: realign, and to_blocks, which waits for their outputs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.pipeline.align import align
from autrt.pipeline.check_alignment import check_alignment
from autrt.pipeline.realign import realign
from autrt.pipeline.to_blocks import to_blocks
from autrt.types import DETECTED, INTERPOLATED, REFINED, Ready
from tests.pipeline.test_check_alignment import FAR_PX, OFF_PX, engine_with_shifts
from tests.support.fakes import INFO, FakeEngine, ScriptedFace, fake_networks, scripted_segment

FACE = [ScriptedFace(x=lambda i: 100)]
BESIDE = [ScriptedFace(x=lambda i: 110)]


def realigned(engine, segment, patch_faces=None):
    networks = fake_networks(FACE, engine, patch_faces)
    checked = check_alignment(align([scripted_segment(FACE, range(1)), segment], networks, INFO), networks)
    return list(realign(checked, networks, INFO))[1]


def test_realign_moves_a_face_by_the_landmark_heads_offset():
    segment = realigned(engine_with_shifts({3: OFF_PX}), scripted_segment(FACE, range(1, 7)))
    assert segment.faces.source.tolist() == [INTERPOLATED] * 2 + [REFINED] + [INTERPOLATED] * 2 + [DETECTED]
    moved = OFF_PX * FACE[0].side / 112
    np.testing.assert_allclose(segment.faces.landmarks[2], FACE[0].landmarks(3) + moved, atol=1e-2)
    assert segment.realigned.tolist() == [2]


def test_realign_places_a_face_where_it_was_detected_again():
    segment = realigned(engine_with_shifts({3: FAR_PX}), scripted_segment(FACE, range(1, 7)), BESIDE)
    np.testing.assert_allclose(segment.faces.boxes[2], BESIDE[0].box(3), atol=1e-2)
    assert segment.faces.source[2] == REFINED
    assert segment.faces.track[2] == 0


def test_realign_keeps_a_face_that_only_the_network_sees():
    segment = realigned(engine_with_shifts({3: FAR_PX}), scripted_segment(FACE, range(1, 7)), [])
    np.testing.assert_array_equal(segment.faces.boxes[2], FACE[0].box(3))
    assert segment.faces.source[2] == INTERPOLATED
    assert segment.realigned.tolist() == []


def test_realign_drops_a_face_that_nothing_sees():
    engine = engine_with_shifts({2: OFF_PX, 5: OFF_PX}, absent=[3])
    segment = realigned(engine, scripted_segment(FACE, range(1, 7)), [])
    assert segment.faces.row.tolist() == [1, 2, 4, 5, 6]
    np.testing.assert_array_equal(segment.outputs["logits"][:, 0, 0], segment.faces.row)
    assert segment.realigned.tolist() == [1, 3]


def test_realign_of_aligned_faces_runs_nothing_again():
    engine = FakeEngine()
    segment = realigned(engine, scripted_segment(FACE, range(1, 7)))
    assert sum(engine.batches) == 7
    assert segment.realigned.tolist() == []


def test_realign_frees_patches():
    segment = realigned(engine_with_shifts({3: OFF_PX, 4: FAR_PX}), scripted_segment(FACE, range(1, 7)))
    assert segment.patches == segment.redetections == {}


def test_to_blocks_replaces_every_output_of_realigned_faces():
    segment = scripted_segment(FACE, range(4))
    segment.outputs = {"logits": np.zeros((4, 1, 2), np.float32), "presence": np.zeros(4, np.float32)}
    segment.realigned = np.array([1, 3])
    segment.pending = Ready(
        {"logits": np.ones((2, 1, 2), np.float32), "presence": np.array([5, 7], np.float32)}
    )
    (block,) = to_blocks([segment], Fraction(1))
    assert block.member_logits[:, 0, 0].tolist() == [0, 1, 0, 1]
    assert block.outputs["presence"].tolist() == [0, 5, 0, 7]
    assert block.index.tolist() == block.pts.tolist() == [0, 1, 2, 3]


def test_to_blocks_does_not_wait_where_nothing_was_realigned():
    segment = scripted_segment(FACE, range(4))
    segment.outputs = {"logits": np.zeros((4, 1, 2), np.float32)}
    segment.pending = None
    (block,) = to_blocks([segment], Fraction(1))
    assert len(block.faces) == 4


people = st.lists(
    st.builds(
        lambda x, y: ScriptedFace(x=lambda i: float(x), y=float(y)), st.integers(0, 500), st.integers(0, 250)
    ),
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(
    faces=people,
    shifts=st.dictionaries(st.integers(1, 12), st.sampled_from([0.0, OFF_PX, FAR_PX, -FAR_PX])),
    absent=st.sets(st.integers(1, 12)),
    patch_faces=people,
)
def test_realign_keeps_rows_and_outputs_together(faces, shifts, absent, patch_faces):
    """Whatever is moved, detected again or dropped: rows stay in order, each with the outputs of its own frame."""
    networks = fake_networks(faces, engine_with_shifts(shifts, absent), patch_faces)
    segments = [scripted_segment(faces, frames) for frames in (range(1), range(1, 7), range(7, 13))]
    before = [segment.faces for segment in segments]
    checked = check_alignment(align(segments, networks, INFO), networks)
    blocks = list(to_blocks(realign(checked, networks, INFO), INFO.pixel_aspect))
    for block, old in zip(blocks, before, strict=True):
        new = block.faces
        keys = list(zip(new.row.tolist(), new.track.tolist(), strict=True))
        old_keys = list(zip(old.row.tolist(), old.track.tolist(), strict=True))
        assert keys == sorted(keys)
        assert {*old_keys} - {*keys} <= {key for key in old_keys if key[0] in absent}
        np.testing.assert_array_equal(block.member_logits[:, 0, 0], new.row)
        assert all(len(values) == len(new) for values in block.outputs.values())
        detected = old.source == DETECTED
        assert (new.source == DETECTED).sum() == detected.sum()
        assert np.isfinite(new.landmarks).all()
