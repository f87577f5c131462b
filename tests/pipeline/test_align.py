"""The stage that cuts faces out: patches, pending outputs, and pictures that are freed."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from autrt.pipeline.align import align
from tests.support.fakes import INFO, FakeEngine, ScriptedFace, fake_networks, scripted_segment

FACES = [ScriptedFace(x=lambda i: 100 + i), ScriptedFace(x=lambda i: 400, seen=lambda i: i % 2 == 0)]


def aligned(segments, networks):
    return align(segments, networks, INFO)


def test_align_submits_a_crop_of_each_face_in_its_own_frame():
    segment = scripted_segment(FACES, range(3, 8))
    networks = fake_networks(FACES)
    (out,) = aligned([segment], networks)
    assert out is segment
    np.testing.assert_array_equal(out.pending.result()["logits"][:, 0, 0], segment.faces.row)


def test_align_cuts_a_patch_around_each_face():
    (out,) = aligned([scripted_segment(FACES, range(4))], fake_networks(FACES))
    assert list(out.patches) == list(range(len(out.faces)))
    for row, patch in out.patches.items():
        x, y, shrink = patch.image.origin
        left, top, right, bottom = out.faces.boxes[row]
        assert x <= left
        assert y <= top
        assert x + patch.image.width * shrink >= right
        assert y + patch.image.height * shrink >= bottom


def test_align_frees_the_pictures_before_it_yields():
    segment = scripted_segment(FACES, range(5))
    pictures = [weakref.ref(image) for image in segment.images]
    stage = aligned(iter([segment]), fake_networks(FACES))
    next(stage)
    gc.collect()
    assert [picture() for picture in pictures] == [None] * 5


def test_align_of_frames_without_faces_runs_nothing():
    engine = FakeEngine()
    (out,) = aligned([scripted_segment([], range(5))], fake_networks([], engine))
    assert out.pending.result()["logits"].shape == (0, 1, 2)
    assert engine.batches == []
