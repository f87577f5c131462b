"""Alignment: the similarity, the patch, and that a crop shows the landmarks where the template has them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.face.align import apply, crop_matrix, cut_patches, invert, patch_matrices, similarity
from autrt.template import ARCFACE_112
from autrt.video.planar_image import PlanarImage, Plane
from tests.support.crops import crop_of, cut_patch


def placed(x, y, side, roll_deg, aspect=1.0):
    """The template's landmarks in a frame: centred at (x, y), crop side `side`, rolled, in pixels of an aspect."""
    angle = np.deg2rad(roll_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (ARCFACE_112 - 56) / 112 * side @ turn.T
    return (points / [aspect, 1] + [x, y]).astype(np.float32)


def painted(point, width, height, radius):
    """A black frame with one white spot."""
    v, u = np.mgrid[:height, :width].astype(np.float32)
    spot = 255 * np.exp(-((u - point[0]) ** 2 + (v - point[1]) ** 2) / (2 * radius**2))
    return PlanarImage((Plane(np.repeat(spot[..., None], 3, axis=2).astype(np.uint8)),), None)


def spot_in(crop):
    """Where the spot lies in a crop."""
    v, u = np.mgrid[:112, :112]
    weight = crop[..., 1].astype(np.float64)
    return np.array([(u * weight).sum(), (v * weight).sum()]) / weight.sum()


@settings(max_examples=100)
@given(
    st.floats(-180, 180), st.floats(0.05, 20), st.floats(-500, 500), st.floats(-500, 500), st.integers(0, 999)
)
def test_the_similarity_is_the_least_squares_one(angle, scale, dx, dy, seed):
    rng = np.random.default_rng(seed)
    source = rng.uniform(-100, 100, (5, 2))
    z = scale * np.exp(1j * np.deg2rad(angle))
    target = (
        source @ np.array([[z.real, z.imag], [-z.imag, z.real]]) + [dx, dy] + rng.normal(0, scale, (5, 2))
    )
    # x' = a x − b y + c, y' = b x + a y + d, as an ordinary linear system
    rows = [[x, -y, 1, 0] for x, y in source] + [[y, x, 0, 1] for x, y in source]
    a, b, c, d = np.linalg.lstsq(np.array(rows), np.concatenate([target[:, 0], target[:, 1]]), rcond=None)[0]
    found = similarity(source.astype(np.float32), target.astype(np.float32))
    np.testing.assert_allclose(found, [[a, -b, c], [b, a, d]], rtol=1e-4, atol=1e-3 * scale)


def test_points_all_in_one_place_give_a_finite_matrix():
    same = np.full((5, 2), 7, np.float32)
    assert np.isfinite(similarity(same, ARCFACE_112)).all()


@given(
    st.floats(-90, 90), st.floats(20, 900), st.sampled_from([Fraction(1), Fraction(16, 11), Fraction(1, 2)])
)
def test_landmarks_land_on_the_template_in_square_pixels(roll, side, aspect):
    landmarks = placed(300, 200, side, roll, float(aspect))
    matrix = crop_matrix(landmarks, ARCFACE_112, aspect)
    np.testing.assert_allclose(apply(matrix, landmarks), ARCFACE_112, atol=0.05)
    np.testing.assert_allclose(apply(invert(matrix), apply(matrix, landmarks)), landmarks, atol=0.05)


@pytest.mark.parametrize(("side", "roll"), [(40, 0), (112, 25), (180, -60), (300, 10), (700, 25), (1300, 0)])
def test_crop_shows_the_landmarks_where_the_template_has_them(side, roll):
    landmarks = placed(800, 700, side, roll)
    for point, expected in zip(landmarks, ARCFACE_112, strict=True):
        image = painted(point, 1600, 1400, radius=max(1.5, side / 40))
        patch = cut_patch(image, landmarks)
        assert max(patch.image.width, patch.image.height) <= 2 * 112 * 2.2 * 1.42 + 4
        np.testing.assert_allclose(spot_in(crop_of(patch, landmarks)), expected, atol=0.1)


def test_a_moved_face_can_be_cut_again_from_the_same_patch():
    guess, truth = placed(400, 300, 200, 0), placed(440, 330, 200, 12)
    patch = cut_patch(painted(truth[4], 900, 700, 7), guess)
    np.testing.assert_allclose(spot_in(crop_of(patch, truth)), ARCFACE_112[4], atol=0.1)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (199, 0), (-40, 80), (230, 160), (100, 400)])
def test_faces_at_and_beyond_the_edge_give_a_crop_black_outside(x, y):
    landmarks = placed(x, y, 90, 0)
    white = PlanarImage((Plane(np.full((150, 200, 3), 255, np.uint8)),), None)
    crop = crop_of(cut_patch(white, landmarks), landmarks)
    assert crop.shape == (112, 112, 3)
    far = apply(invert(crop_matrix(landmarks, ARCFACE_112)), np.array([[0, 0], [111, 111]], np.float32))
    for corner, (px, py) in zip((crop[0, 0], crop[111, 111]), far, strict=True):
        inside = 1 <= px <= 198 and 1 <= py <= 148
        outside = px < -2 or py < -2 or px > 201 or py > 151
        if inside or outside:
            assert (corner == (255 if inside else 0)).all()


@given(
    st.lists(
        st.tuples(st.floats(-100, 500), st.floats(-100, 400), st.floats(5, 900), st.floats(-180, 180)),
        max_size=6,
    )
)
def test_many_faces_are_cut_as_each_alone(places):
    picture = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    image, aspect = PlanarImage((Plane(picture),), None), Fraction(4, 3)
    landmarks = np.array(
        [placed(x, y, side, roll, 4 / 3) for x, y, side, roll in places], np.float32
    ).reshape(-1, 5, 2)
    whole = crop_matrix(landmarks, ARCFACE_112, aspect)
    patches = cut_patches([image] * len(places), whole, aspect)
    matrices = patch_matrices(patches, whole)
    assert len(patches) == len(matrices) == len(places)
    for patch, matrix, points in zip(patches, matrices, landmarks, strict=True):
        alone = cut_patch(image, points, aspect)
        assert alone.image.origin == patch.image.origin
        np.testing.assert_array_equal(alone.image.rgb(), patch.image.rgb())
        in_patch, in_crop = apply(invert(patch.to_frame()), points), crop_matrix(points, ARCFACE_112, aspect)
        np.testing.assert_allclose(apply(matrix, in_patch), apply(in_crop, points), atol=0.02)
