"""The quality of faces: worse pictures have less."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from autrt.face.quality import FACTORS, quality_grades, sharpness
from autrt.template import ARCFACE_112
from autrt.types import DETECTED, Detections, Faces


def picture() -> np.ndarray:
    """112×112 with edges and slopes at many scales."""
    y, x = np.mgrid[:112, :112] / 112
    waves = sum(
        np.sign(np.sin(6.3 * f * (x + (i % 3 - 1) * y) + i)) / f for i, f in enumerate((2, 3, 5, 7, 9))
    )
    return np.clip(128 + 35 * waves, 0, 255).astype(np.uint8)


def sparse(crop: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(crop[None, ::2, ::2])


def faces(score: float = 0.9, scale: float = 1.0, points: np.ndarray = ARCFACE_112) -> Faces:
    box = np.array([[0, 0, 90, 112]], np.float32) * scale
    found = Detections(box, (points[None] * scale).astype(np.float32), np.array([score], np.float32))
    return Faces.of(found, 0, np.zeros(1, np.int32), DETECTED)


def grades(of: Faces, sharp: float = 0.45, presence: float | None = 9.0) -> dict[str, float]:
    seen = None if presence is None else np.array([presence], np.float32)
    found = quality_grades(of, np.array([sharp], np.float32), seen, Fraction(1))
    assert found.dtype == np.float32
    return dict(zip(FACTORS, found[0].tolist(), strict=True))


def test_sharpness_falls_with_blur_and_small_size_and_rises_with_noise():
    crop = picture()
    blurred = [float(sharpness(sparse(cv2.GaussianBlur(crop, (0, 0), s)))[0]) for s in (0.8, 2, 4, 8)]
    whole = float(sharpness(sparse(crop))[0])
    assert [whole, *blurred] == sorted([whole, *blurred], reverse=True)
    assert blurred[-1] == pytest.approx(0.25, abs=0.03)  # nothing but slopes
    small = cv2.resize(cv2.resize(crop, (16, 16), interpolation=cv2.INTER_AREA), (112, 112))
    assert float(sharpness(sparse(small))[0]) < blurred[0]
    noise = np.random.default_rng(0).integers(0, 255, (112, 112), np.uint8)
    assert float(sharpness(sparse(noise))[0]) == pytest.approx(1, abs=0.05)


def test_sharpness_ignores_contrast_and_exposure():
    crop = picture()
    darker = (crop // 3 + 20).astype(np.uint8)
    assert sharpness(sparse(darker))[0] == pytest.approx(sharpness(sparse(crop))[0], rel=0.03)
    assert sharpness(np.full((1, 56, 56), 90, np.uint8))[0] == 0
    assert sharpness(np.empty((0, 56, 56), np.uint8)).shape == (0,)


def test_a_good_face_has_full_grades():
    assert min(grades(faces()).values()) > 0.99
    assert grades(faces(), presence=None)["presence"] == 1


@pytest.mark.parametrize(
    ("worse", "factor"),
    [
        ({"of": faces(), "sharp": 0.28}, "sharpness"),
        ({"of": faces(), "sharp": 0.9}, "sharpness"),
        ({"of": faces(scale=0.12)}, "size"),
        ({"of": faces(score=0.4)}, "score"),
        ({"of": faces(), "presence": -2.0}, "presence"),
        (
            {"of": faces(points=ARCFACE_112 + np.float32([[-3, 0], [-16, 0], [-14, 0], [-4, 0], [-14, 0]]))},
            "pose",
        ),
    ],
)
def test_the_lowest_grade_names_the_fault(worse, factor):
    found = grades(**worse)
    assert min(found, key=found.__getitem__) == factor
    assert found[factor] < 0.8


def test_landmarks_in_one_place_have_no_pose_and_no_quality():
    flat = replace(faces(), landmarks=np.ones((1, 5, 2), np.float32))
    assert grades(flat)["pose"] == 0
