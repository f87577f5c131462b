"""Detection on the coarse canvas, and when it is followed by the fine one."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import closing

import numpy as np
import pytest

from autrt.errors import EngineError
from autrt.face.coarse_to_fine import TRACE_SCORE, CoarseToFine
from autrt.face.detect import FRAME_CANVASES, CenterFace, DetectorSettings
from autrt.types import EngineSpec, TensorSpec
from autrt.video.planar_image import PlanarImage, Plane
from tests.face.test_detect import maps_of

FRAME = PlanarImage((Plane(np.zeros((360, 640, 3), np.uint8)),), None)
COARSE, FINE = (FRAME_CANVASES[name][0] for name in ("coarse", "small"))
BIG, BIG_FINE = (80, 48, 60, 60, 0.9), (160, 96, 120, 120, 0.8)
SMALL_FINE = (30, 30, 20, 24, 0.7)


class FakeEngine:
    """An engine that gives the maps of some faces, and counts."""

    def __init__(self, faces, canvas):
        self.maps, self.calls, self.closed = maps_of(faces, canvas), 0, False
        self.spec = EngineSpec(
            engine="fake",
            network_digest="0",
            inputs=(TensorSpec("input", (*canvas, 3), "uint8"),),
            outputs=(),
            precision="f32",
            batch=1,
            device="cpu",
        )

    def submit(self, inputs):
        self.calls += 1
        if self.closed:
            raise EngineError("closed")
        done: Future = Future()
        done.set_result(self.maps)
        return done

    def close(self):
        self.closed = True


def detector(coarse, fine):
    engines = FakeEngine(coarse, COARSE), FakeEngine(fine, FINE)
    coarse_detector = CenterFace(
        lambda _: engines[0], "n", DetectorSettings(FRAME_CANVASES["coarse"], TRACE_SCORE)
    )
    fine_detector = CenterFace(lambda _: engines[1], "n", DetectorSettings(FRAME_CANVASES["small"]))
    return CoarseToFine(coarse_detector, fine_detector), engines


def test_clear_face_is_found_by_the_coarse_detector_alone():
    both, (_, fine) = detector([BIG], [])
    with closing(both):
        found = both.submit(FRAME).result()
    assert fine.calls == 0
    assert found.boxes[0] == pytest.approx([200, 72, 440, 312], abs=4)  # 4 frame pixels to one of the canvas


@pytest.mark.parametrize(
    "coarse",
    [
        [],
        [(80, 48, 28, 30, 0.9)],  # too small
        [(80, 48, 60, 60, 0.45)],  # too uncertain
        [BIG, (14, 14, 9, 11, 0.15)],  # the trace of a second one
    ],
)
def test_unclear_faces_are_left_to_the_fine_detector(coarse):
    both, (coarse_detector, fine) = detector(coarse, [BIG_FINE, SMALL_FINE])
    with closing(both):
        found = both.submit(FRAME).result()
    assert (coarse_detector.calls, fine.calls) == (1, 1)
    assert len(found) == 2
    assert found.score.tolist() == pytest.approx([0.8, 0.7], abs=0.01)


def test_failure_of_either_detector_is_raised():
    for broken in (0, 1):
        both, engines = detector([], [BIG_FINE])
        engines[broken].closed = True
        with pytest.raises(EngineError, match="closed"):
            both.submit(FRAME).result()


def test_digest_names_both_detectors():
    assert detector([], [])[0].digest == detector([BIG], [])[0].digest
    one = CenterFace(lambda _: FakeEngine([], COARSE), "n", DetectorSettings(FRAME_CANVASES["coarse"]))
    two = CenterFace(lambda _: FakeEngine([], COARSE), "n", DetectorSettings(FRAME_CANVASES["coarse"], 0.2))
    assert CoarseToFine(one, one).digest != CoarseToFine(two, one).digest != CoarseToFine(one, two).digest
