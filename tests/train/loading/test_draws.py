"""Draws: random numbers by place in the epoch, geometry, colour and erasing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.errors import UsageError
from autrt_train.loading.augment import AugmentConfig, draw_batch
from autrt_train.loading.colour_matrix import colour_matrices
from autrt_train.loading.erase import erase, rectangles
from autrt_train.loading.geometry import crop_matrices, inverse, move_landmarks
from autrt_train.loading.random_numbers import NUMBERS, normals, uniforms
from autrt_train.read_recipe import read_recipe

EVERYTHING = AugmentConfig(jitter_probability=0.7, shift_px=2.5, scale=0.04, rotation_deg=3, erase=0.4)
STILL = AugmentConfig.none()


def drawn(positions, config=EVERYTHING, epoch=0, seed=0, margin_px=16):
    positions = np.asarray(positions, np.int64)
    return draw_batch(positions % 7, positions, epoch, seed, config, margin_px)


def arrays(draw) -> dict[str, Any]:
    return {
        "matrices": draw.matrices,
        "colours": draw.colours,
        "flipped": draw.flipped,
        "erased": draw.erased,
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10**9), max_size=20), st.integers(0, 2**40), st.integers(0, 100))
def test_uniforms_depend_only_on_the_position(positions, seed, epoch):
    together = uniforms(seed, epoch, np.array(positions, np.int64))
    assert together.shape == (len(positions), NUMBERS)
    for row, position in enumerate(positions):
        np.testing.assert_array_equal(together[row], uniforms(seed, epoch, np.array([position]))[0])


def test_uniforms_of_neighbouring_positions_differ():
    numbers = uniforms(3, 1, np.arange(2000))
    assert len(np.unique(numbers)) == numbers.size
    assert not np.isin(uniforms(3, 2, np.arange(50)), numbers).any()
    assert not np.isin(uniforms(4, 1, np.arange(50)), numbers).any()


def test_uniforms_and_normals_have_their_distributions():
    numbers = uniforms(0, 0, np.arange(20_000))
    np.testing.assert_allclose(numbers.mean(0), 0.5, atol=0.01)
    np.testing.assert_allclose(np.corrcoef(numbers.T), np.eye(NUMBERS), atol=0.035)
    normal = normals(numbers[:, :4])
    np.testing.assert_allclose(normal.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(np.cov(normal.T), np.eye(4), atol=0.04)
    assert abs((np.abs(normal) > 1.96).mean() - 0.05) < 0.005
    assert np.isfinite(normals(np.array([[0.0, np.nextafter(1, 0), 0.0, 0.5]]))).all()


def test_a_draw_does_not_depend_on_its_batch():
    whole = arrays(drawn(np.arange(64)))
    for some in (np.arange(5, 23), np.array([63, 0, 17]), np.arange(1, 64, 2)):
        for name, array in arrays(drawn(some)).items():
            np.testing.assert_array_equal(array, whole[name][some], err_msg=name)


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 1}])
def test_draws_differ_by_epoch_and_seed(other):
    here, there = arrays(drawn(np.arange(64))), arrays(drawn(np.arange(64), **other))
    assert all((here[name] != there[name]).any() for name in here)


def test_draws_of_one_change_do_not_affect_others():
    without = AugmentConfig(
        flip=0, jitter_probability=0.7, shift_px=2.5, scale=0.04, rotation_deg=3, erase=0.4
    )
    full, rest = drawn(np.arange(64)), drawn(np.arange(64), without)
    np.testing.assert_array_equal(rest.colours, full.colours)
    np.testing.assert_array_equal(rest.erased, full.erased)
    np.testing.assert_array_equal(rest.matrices[~full.flipped], full.matrices[~full.flipped])
    assert full.flipped.any()
    assert not rest.flipped.any()


@pytest.mark.parametrize("margin_px", [0, 16])
def test_no_augmentation_is_exactly_the_central_crop(margin_px):
    draw = drawn(np.arange(9), STILL, margin_px=margin_px)
    crop = np.array([[1, 0, -margin_px], [0, 1, -margin_px]], np.float32)
    np.testing.assert_array_equal(draw.matrices, np.broadcast_to(crop, (9, 2, 3)))
    np.testing.assert_array_equal(draw.colours, np.broadcast_to(np.eye(3, 4, dtype=np.float32), (9, 3, 4)))
    assert not draw.flipped.any()
    assert draw.erased is None


def test_augment_config_defaults_to_the_authors_code():
    draw = drawn(np.arange(4000), AugmentConfig())
    assert abs(draw.flipped.mean() - 0.5) < 0.03
    np.testing.assert_array_equal(np.unique(draw.matrices[:, 0, 0]), [-1, 1])
    assert (draw.colours != np.eye(3, 4)).any((1, 2)).all()


@pytest.mark.parametrize("name", ["brightness", "contrast"])
def test_factors_are_uniform_around_one(name):
    config = AugmentConfig(
        **{"flip": 0, "brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, name: 0.3}
    )
    factor = drawn(np.arange(4000), config).colours[:, 0, 0]
    assert 0.7 <= factor.min() < 0.703
    assert 1.297 < factor.max() <= 1.3
    np.testing.assert_allclose(np.quantile(factor, [0.25, 0.5, 0.75]), [0.85, 1, 1.15], atol=0.02)


def test_hue_is_given_in_whole_turns():
    config = AugmentConfig(brightness=0, contrast=0, saturation=0, hue=0.15)
    # The trace of a turn of two of three axes by h is 1 + 2 cos h, in any basis.
    cosine = (np.trace(drawn(np.arange(4000), config).colours[:, :, :3], axis1=1, axis2=2) - 1) / 2
    turn_deg = np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))
    assert 53 < turn_deg.max() <= 54.01
    assert abs(np.median(turn_deg) - 27) < 1.5


def test_each_colour_change_has_a_chance_of_its_own():
    only = AugmentConfig(contrast=0, saturation=0, hue=0, jitter_probability=0.3)
    all_four = AugmentConfig(jitter_probability=0.3)
    for config, changed in ((only, 0.3), (all_four, 1 - 0.7**4)):
        colours = drawn(np.arange(4000), config).colours
        assert abs((colours != np.eye(3, 4)).any((1, 2)).mean() - changed) < 0.03


def test_the_papers_jitter_is_a_chance_and_its_codes_a_magnitude():
    text, code = (read_recipe(name).augment for name in ("paper", "paper-code"))
    for config, changed in ((text, 1 - 0.7**4), (code, 1)):
        colours = drawn(np.arange(4000), config).colours
        assert abs((colours != np.eye(3, 4)).any((1, 2)).mean() - changed) < 0.03
    for config in (text, code):
        assert (config.brightness, config.contrast, config.saturation, config.hue) == (0.3,) * 4


def test_alignment_jitter_has_the_spread_that_is_asked_for():
    config = AugmentConfig(flip=0, shift_px=2.5, scale=0.04, rotation_deg=3)
    matrices = drawn(np.arange(20_000), config).matrices.astype(np.float64)
    centre = matrices @ np.array([55.5 + 16, 55.5 + 16, 1])
    scale = np.sqrt(np.linalg.det(matrices[:, :, :2]))
    turn_deg = np.rad2deg(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    np.testing.assert_allclose((centre - 55.5).std(0), 2.5, rtol=0.03)
    np.testing.assert_allclose((centre - 55.5).mean(0), 0, atol=0.1)
    np.testing.assert_allclose(np.log(scale).std(), 0.04, rtol=0.03)
    np.testing.assert_allclose(turn_deg.std(), 3, rtol=0.03)


places = st.tuples(
    st.floats(-20, 20),
    st.floats(-20, 20),
    st.floats(0.5, 2),
    st.floats(-180, 180),
    st.booleans(),
    st.integers(0, 40),
)


def placed(shift_x, shift_y, scale, rotation_deg, flipped, margin_px):
    return crop_matrices(
        np.array([[shift_x, shift_y]]),
        np.array([scale]),
        np.array([rotation_deg]),
        np.array([flipped]),
        margin_px,
    )


@settings(max_examples=100, deadline=None)
@given(places, st.floats(-50, 200), st.floats(-50, 200))
def test_crop_matrices_equal_their_steps(how, x, y):
    shift_x, shift_y, scale, rotation_deg, flipped, margin_px = how
    # One step after the other, with complex numbers for turning.
    point = complex(x, y) - margin_px * (1 + 1j) - 55.5 * (1 + 1j)
    point = (
        point * scale * np.exp(1j * np.deg2rad(rotation_deg)) + complex(shift_x, shift_y) + 55.5 * (1 + 1j)
    )
    expected = [111 - point.real if flipped else point.real, point.imag]
    found = placed(*how)[0] @ [x, y, 1]
    np.testing.assert_allclose(found, expected, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(places)
def test_the_inverse_undoes_a_matrix(how):
    there, back = placed(*how)[0], inverse(placed(*how))[0]
    last = np.array([0, 0, 1])
    np.testing.assert_allclose(np.vstack([there, last]) @ np.vstack([back, last]), np.eye(3), atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(places)
def test_move_landmarks_warps_and_swaps_mirrored_sides(how):
    flipped, margin_px = how[4], how[5]
    landmarks = np.random.default_rng(0).uniform(0, 112, (1, 5, 2)).astype(np.float32)
    landmarks[0, 3] = np.nan
    moved = move_landmarks(landmarks, placed(*how), np.array([flipped]), margin_px)
    for k, partner in enumerate([1, 0, 2, 4, 3]):
        expected = placed(*how)[0] @ [*(landmarks[0, k].astype(float) + margin_px), 1]
        np.testing.assert_allclose(moved[0, partner if flipped else k], expected, rtol=1e-5, atol=1e-4)


def one(*values):
    return [np.array([value], np.float64) for value in values]


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 2), st.floats(0, 2), st.floats(0, 2), st.floats(-180, 180), st.floats(0, 255))
def test_grey_changes_by_brightness_and_contrast_only(brightness, contrast, saturation, hue_deg, grey):
    out = colour_matrices(*one(brightness, contrast, saturation, hue_deg))[0] @ np.array(
        [grey, grey, grey, 1]
    )
    # NTSC's matrix is rounded so that grey keeps a trace of chroma.
    trace = 0.004 * brightness * contrast * (1 + saturation) * grey
    np.testing.assert_allclose(out, brightness * (contrast * (grey - 128) + 128), atol=trace + 1e-4)


def test_colour_without_saturation_is_its_luma():
    found = colour_matrices(*one(1, 1, 0, 77))[0]
    np.testing.assert_allclose(found[:, :3], np.tile([0.299, 0.587, 0.114], (3, 1)), atol=2e-3)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.2, 2), st.floats(0.2, 2), st.floats(0, 2), st.floats(-180, 180))
def test_the_colour_matrix_is_dalis_color_twist(brightness, contrast, saturation, hue_deg):
    dali = pytest.importorskip("nvidia.dali")
    colours = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8)

    @dali.pipeline_def(batch_size=1, num_threads=1, device_id=None, prefetch_queue_depth=1)
    def twisted():
        picture = dali.fn.external_source(name="picture", layout="HWC")
        return dali.fn.color_twist(
            picture, brightness=brightness, contrast=contrast, saturation=saturation, hue=hue_deg,
            dtype=dali.types.FLOAT,
        )  # fmt: skip

    (theirs,) = twisted().run(picture=colours)
    matrix = colour_matrices(*one(brightness, contrast, saturation, hue_deg))[0]
    ours = np.concatenate([colours, np.ones((1, 16, 16, 1))], axis=3) @ matrix.T
    np.testing.assert_allclose(ours, theirs.as_array(), atol=2e-3)


def test_rectangles_stay_inside_and_have_the_set_area():
    numbers = uniforms(0, 0, np.arange(5000))
    wanted = numbers[:, 4] < 0.6
    boxes = rectangles(numbers[:, :4], wanted)
    assert (boxes[~wanted] == 0).all()
    x0, y0, x1, y1 = boxes[wanted].T
    assert min(x0.min(), y0.min()) == 0
    assert max(x1.max(), y1.max()) == 112
    share = (x1 - x0) * (y1 - y0) / 112**2
    assert 0.018 < share.min() < 0.025
    assert 0.19 < share.max() < 0.205


def test_erasing_paints_the_rectangles_and_nothing_else():
    pixels = np.full((3, 112, 112, 3), 200, np.uint8)
    erase(pixels, np.array([[0, 0, 0, 0], [10, 20, 30, 60], [100, 100, 112, 112]], np.int32))
    assert (pixels[0] == 200).all()
    assert (pixels[1, 20:60, 10:30] == 127).all()
    assert (pixels[2, 100:, 100:] == 127).all()
    assert [(p == 127).sum() for p in pixels] == [0, 3 * 40 * 20, 3 * 12 * 12]


@pytest.mark.parametrize(
    ("name", "value"),
    [("flip", 1.1), ("brightness", -0.1), ("hue", float("nan")), ("hue", 0.51), ("jitter_probability", 2),
     ("shift_px", -1), ("scale", 3), ("rotation_deg", 400), ("erase", -1)],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(UsageError, match=f"AugmentConfig.{name}: expected"):
        AugmentConfig(**{name: value})
