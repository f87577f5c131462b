"""The compiled loops against plain, slow versions."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt_train.synth.camera.pinhole import Pinhole, rotation
from autrt_train.synth.camera.raster import divide_by_alpha, draw_triangles, lay_over
from autrt_train.synth.rig.generated_head import generated_rig
from autrt_train.synth.rig.mesh import apply_shapes, normals_and_hollows, rotate, sparse_shapes
from autrt_train.synth.scene.light import fixed_light, shade

SIZE = 20
seeds = st.integers(0, 2**32 - 1)


def slow_triangles(points, triangles, colours):
    """Every pixel against every triangle, in double precision; NaN where a sample lies too near an edge to tell."""
    image, depth = np.zeros((SIZE, SIZE, 4)), np.full((SIZE, SIZE), -1e9)
    ys, xs = np.mgrid[:SIZE, :SIZE]
    unsure = np.zeros((SIZE, SIZE), bool)
    for corners in triangles:
        p = points[corners].astype(np.float64)
        e1, e2 = p[1, :2] - p[0, :2], p[2, :2] - p[0, :2]
        area = e1[0] * e2[1] - e2[0] * e1[1]
        unsure |= abs(area) < 1e-3
        if area >= 0:
            continue
        dx, dy = xs - p[0, 0], ys - p[0, 1]
        w1, w2 = (dx * e2[1] - e2[0] * dy) / area, (e1[0] * dy - dx * e1[1]) / area
        w = np.stack([1 - w1 - w2, w1, w2])
        z = np.tensordot(p[:, 2], w, 1)
        unsure |= (np.abs(w).min(0) < 1e-4) & (w.min(0) > -1e-3)
        inside = (w >= 0).all(0)
        unsure |= inside & (np.abs(z - depth) < 1e-3)
        nearer = inside & (z > depth)
        depth[nearer] = z[nearer]
        image[nearer, :3] = np.moveaxis(np.tensordot(colours[corners].T, w, 1), 0, -1)[nearer]
        image[nearer, 3] = 255
    image[unsure] = np.nan
    return image


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_triangles_are_drawn_as_defined(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-5, SIZE + 5, (12, 3)).astype(np.float32)
    triangles = rng.integers(0, 12, (10, 3)).astype(np.int32)
    colours = rng.uniform(0, 255, (12, 3)).astype(np.float32)
    rgba, depth = np.zeros((SIZE, SIZE, 4), np.uint8), np.full((SIZE, SIZE), np.float32(-1e9))
    draw_triangles(points, triangles, colours, rgba, depth)
    expected = slow_triangles(points, triangles, colours)
    sure = ~np.isnan(expected)
    assert np.abs(rgba[sure] - expected[sure]).max(initial=0) <= 1


def test_a_triangle_that_shows_its_back_is_not_drawn():
    corners = np.array([[2, 2, 0], [2, 15, 0], [15, 2, 0]], np.float32)
    white = np.full((3, 3), 255, np.float32)
    drawn = []
    for order in ([0, 1, 2], [0, 2, 1]):
        rgba, depth = np.zeros((SIZE, SIZE, 4), np.uint8), np.full((SIZE, SIZE), np.float32(-1e9))
        draw_triangles(corners, np.array([order], np.int32), white, rgba, depth)
        drawn.append(int((rgba[..., 3] > 0).sum()))
    assert drawn[0] > 80
    assert drawn[1] == 0


@settings(max_examples=40, deadline=None)
@given(seeds, st.booleans())
def test_lay_over_is_alpha_blending(seed, behind):
    rng = np.random.default_rng(seed)
    alpha = rng.choice([0, 255, 128], (SIZE, SIZE, 1)).astype(np.uint8)
    rgba = np.concatenate([(rng.uniform(0, 1, (SIZE, SIZE, 3)) * alpha).astype(np.uint8), alpha], 2)
    mask = rng.choice([0, 64, 255], (SIZE, SIZE)).astype(np.uint8)
    texture = rng.uniform(0, 2, (SIZE, SIZE)).astype(np.float32)
    rgb = rng.uniform(0, 255, 3).astype(np.float32)
    new = np.concatenate([np.clip(texture[..., None] * rgb, 0, 255), np.full((SIZE, SIZE, 1), 255.0)], 2)
    old, m = rgba.astype(float), mask[..., None] / 255
    expected = old + new * m * (1 - old[..., 3:] / 255) if behind else old * (1 - m) + new * m
    lay_over(rgba, mask, texture, rgb, behind)
    assert np.abs(rgba - expected).max() <= 0.51


def test_dividing_by_alpha_gives_plain_colours():
    rgba = np.array([[[50, 20, 10, 100], [50, 20, 10, 255], [0, 0, 0, 0], [9, 9, 9, 8]]], np.uint8)
    divide_by_alpha(rgba)
    assert rgba.tolist() == [[[128, 51, 26, 100], [50, 20, 10, 255], [0, 0, 0, 0], [255, 255, 255, 8]]]


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_an_expression_is_the_weighted_sum_of_its_shapes(seed):
    rig, rng = generated_rig(), np.random.default_rng(seed)
    weights = (rng.uniform(0, 1.9, len(rig.expression_names)) * (rng.random(57) < 0.3)).astype(np.float32)
    moves = sparse_shapes(rig)
    found = apply_shapes(rig.neutral, weights, moves.starts, moves.rows, moves.deltas)
    expected = rig.neutral + np.einsum("e,evc->vc", weights.astype(float), rig.expression_deltas)
    np.testing.assert_allclose(found, expected, atol=57 * 1.9e-3)  # what moves less than 10 µm is left


def test_normals_and_hollows_of_a_dented_ball():
    around, down = np.meshgrid(np.linspace(0, 2 * np.pi, 41)[:-1], np.linspace(0.2, np.pi - 0.2, 30))
    ball = np.stack([np.cos(around) * np.sin(down), np.sin(around) * np.sin(down), np.cos(down)], -1)
    number = np.arange(1200).reshape(30, 40)
    a, b = number[:-1], np.roll(number, -1, 1)[:-1]
    c, d = np.roll(number, -1, 1)[1:], number[1:]
    triangles = (
        np.concatenate([np.stack([a, d, b], -1), np.stack([b, d, c], -1)]).reshape(-1, 3).astype(np.int32)
    )
    points = (3 * ball.reshape(-1, 3)).astype(np.float32)
    normals, hollows = normals_and_hollows(points, triangles)
    inner = slice(40, 1160)
    assert ((normals * ball.reshape(-1, 3)).sum(1)[inner] > 0.99).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-4)
    assert (hollows[inner] < 0).all()
    dent = 15 * 40 + 7
    points[dent] *= 0.8
    assert normals_and_hollows(points, triangles)[1][dent] > 0.3


def test_a_lamp_lights_the_side_it_is_on_and_exposure_is_kept():
    rig = generated_rig()
    normals, hollows = normals_and_hollows(rig.neutral, rig.triangles)
    lamps = fixed_light().lamps.copy()
    lamps[0, :3] = [1, 0, 0]
    white = np.full_like(rig.neutral, 100)
    lit = shade(
        white, normals, hollows, lamps, np.full(3, 0.2, np.float32),
        np.float32(0), np.float32(0), np.float32(0.8), rig.parts.face,
    )  # fmt: skip
    face = rig.neutral[: rig.parts.face]
    near, far = lit[: len(face)][face[:, 0] > 4].mean(), lit[: len(face)][face[:, 0] < -4].mean()
    assert near > 2 * far
    facing = normals[: len(face), 2] > 0.4
    np.testing.assert_allclose(lit[: len(face)][facing].mean(), 80, rtol=1e-3)


@given(st.floats(-60, 60), st.floats(-40, 40), st.floats(-30, 30))
def test_a_rotation_turns_right_down_and_counter_clockwise(yaw, pitch, roll):
    matrix = rotation(yaw, pitch, roll)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-5)
    front = np.array([[0, 0, 1]], np.float32)
    assert np.sign(np.round((front @ rotation(yaw, 0, 0).T)[0, 0], 6)) == np.sign(
        np.round(np.sin(np.radians(yaw)), 6)
    )
    assert np.round((front @ rotation(0, pitch, 0).T)[0, 1] + np.sin(np.radians(pitch)), 5) == 0
    right = np.array([[1, 0, 0]], np.float32)
    assert np.round((right @ rotation(0, 0, roll).T)[0, 1] - np.sin(np.radians(roll)), 5) == 0
    np.testing.assert_allclose(rotate(right, matrix), right @ matrix.T, atol=1e-6)


def test_pinhole_enlarges_near_points():
    pinhole = Pinhole(rotation(0, 0, 0), 50.0, np.array([[100.0, 0, 10], [0, 100, 20]]))
    np.testing.assert_allclose(
        pinhole.project(np.array([[1.0, 2.0, 0], [1.0, 2.0, 25]])), [[12, 16], [14, 12]]
    )
    np.testing.assert_allclose(pinhole.scaled(2).project(np.array([1.0, 2.0, 0])), [24.5, 32.5])
