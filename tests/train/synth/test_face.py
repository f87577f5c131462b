"""Pictures of faces: what is drawn, where, and what is said to be true of it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.face.align import similarity
from autrt.template import ARCFACE_112
from autrt_train.synth.person.au_combinations import COLUMN_OF
from autrt_train.synth.person.expression import Expression, draw_expression, neutral_expression
from autrt_train.synth.person.person import lip_gap
from autrt_train.synth.rig.generated_head import generated_rig
from autrt_train.synth.rig.parts import UPPER_LIP
from autrt_train.synth.rig.rig import Rig, load_rig
from autrt_train.synth.scene.face import FaceRenderer, Randomisation, draw_person, draw_shot_conditions

RIG = generated_rig()
RENDERER = FaceRenderer(RIG)
PLAIN = Randomisation(light=False, pose=False, extras=False, wrinkles=False, distract=False)
seeds = st.integers(0, 2**32 - 1)


def scene(seed: int, randomisation: Randomisation | None = None, rig: Rig = RIG):
    rng, randomisation = np.random.default_rng(seed), randomisation or Randomisation()
    person = draw_person(rng, rig, randomisation)
    return person, draw_expression(rng, rig, randomisation), draw_shot_conditions(rng, person, randomisation)


def with_shapes(**weights: float) -> Expression:
    """A face at rest but for some shapes, by the start of their names."""
    rest = neutral_expression(RIG)
    for name, row in RIG.at.items():
        rest.weights[row] = max((w for start, w in weights.items() if name.startswith(start)), default=0.0)
    return rest


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_face_picture_has_its_shapes_and_types(seed):
    picture = RENDERER.draw(*scene(seed))
    assert picture.rgba.shape == (136, 136, 4)
    assert np.isfinite(picture.landmarks).all()
    assert np.isnan(picture.intensities).tolist() == [au == COLUMN_OF[11] for au in range(17)]
    x0, y0, x1, y1 = picture.box
    assert (picture.landmarks >= [x0, y0]).all()
    assert (picture.landmarks <= [x1, y1]).all()
    assert picture.rgba[50:100, 50:86, 3].mean() > 128
    assert 0 <= picture.skin_rgb.min() <= picture.skin_rgb.max() <= 255


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_the_five_points_are_aligned_to_the_template(seed):
    picture = RENDERER.draw(*scene(seed))
    np.testing.assert_allclose(similarity(picture.landmarks, ARCFACE_112 + 12), np.eye(2, 3), atol=2e-3)


def test_the_same_arguments_draw_the_same_picture():
    for seed in range(6):
        first, second = RENDERER.draw(*scene(seed)), FaceRenderer(generated_rig()).draw(*scene(seed))
        np.testing.assert_array_equal(first.rgba, second.rgba)
        np.testing.assert_array_equal(first.landmarks, second.landmarks)
        np.testing.assert_array_equal(first.intensities, second.intensities)
    assert not np.array_equal(RENDERER.draw(*scene(0)).rgba, RENDERER.draw(*scene(1)).rgba)


def test_a_larger_picture_shows_the_same_in_more_pixels():
    small, large = RENDERER.draw(*scene(3, PLAIN)), RENDERER.draw(*scene(3, PLAIN), size_px=272, margin_px=24)
    np.testing.assert_allclose(large.landmarks, 2 * small.landmarks + 0.5, atol=1e-3)
    np.testing.assert_allclose(large.box, 2 * small.box + 0.5, atol=1e-3)
    shrunk = large.rgba.reshape(136, 2, 136, 2, 4).astype(float).mean((1, 3))
    opaque = (small.rgba[..., 3] == 255) & (shrunk[..., 3] == 255)
    assert np.abs(shrunk - small.rgba)[opaque].mean() < 3
    assert ((shrunk[..., 3] > 127) == (small.rgba[..., 3] > 127)).mean() > 0.99


def test_a_wider_margin_shows_more_around_the_same_crop():
    tight, wide = RENDERER.draw(*scene(3), margin_px=12), RENDERER.draw(*scene(3), size_px=176, margin_px=32)
    np.testing.assert_allclose(wide.landmarks, tight.landmarks + 20, atol=1e-3)
    assert np.abs(wide.rgba[20:-20, 20:-20].astype(int) - tight.rgba).mean() < 4


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_face_at_rest_has_no_au_whoever_it_is(seed):
    person, _, conditions = scene(seed)
    picture = RENDERER.draw(person, neutral_expression(RIG), conditions)
    np.testing.assert_allclose(np.nan_to_num(picture.intensities), 0, atol=1e-6)


def test_lip_gap_is_measured_and_jaw_is_its_weight():
    person, _, conditions = scene(2, PLAIN)
    gaps = []
    for weight in (0.0, 0.3, 0.8):
        picture = RENDERER.draw(person, with_shapes(jawOpen=weight, mouthLowerDown=weight), conditions)
        gaps.append(float(picture.intensities[COLUMN_OF[25]]))
        assert picture.intensities[COLUMN_OF[26]] == np.float32(weight)
    assert gaps[0] == pytest.approx(0, abs=1e-6)
    assert 0.03 < gaps[1] < gaps[2] - 0.03
    as_drawn = scene(2)[1]
    drawn = RENDERER.draw(person, as_drawn, conditions).intensities
    kept = [column for number, column in COLUMN_OF.items() if number not in (25, 26)]
    np.testing.assert_array_equal(drawn[kept], as_drawn.intensities[kept])


def test_lips_that_pass_each_other_are_not_parted():
    closed = RIG.neutral[RIG.landmarks].copy()
    parted, crossed = closed.copy(), closed.copy()
    parted[UPPER_LIP, 1] += 0.5
    crossed[UPPER_LIP, 1] -= 0.5
    assert lip_gap(crossed) == 0
    assert lip_gap(parted) == pytest.approx(lip_gap(closed) + 0.5 / 6.3, rel=0.05)


def test_the_inside_of_the_mouth_shows_between_parted_lips_only():
    person, _, conditions = scene(2, replace(PLAIN, identity=False))
    colour = np.array([0, 255, 0], np.float32)
    person.albedo[RIG.parts.of("mouth")] = colour
    person.albedo[RIG.parts.of("gums")] = colour
    person.albedo[RIG.parts.of("teeth")] = colour

    def green(expression: Expression) -> int:
        rgba = RENDERER.draw(person, expression, conditions).rgba.astype(int)
        return int((rgba[..., 1] > 2 * rgba[..., 0] + 20).sum())

    assert green(neutral_expression(RIG)) == 0
    assert green(with_shapes(jawOpen=0.8)) > 50


def test_brows_change_the_upper_half_of_the_picture_only():
    person, _, conditions = scene(4, PLAIN)
    rest = RENDERER.draw(person, neutral_expression(RIG), conditions)
    for shapes in ("browInnerUp", "browOuterUp", "browDown"):
        raised = RENDERER.draw(person, with_shapes(**{shapes: 1.0}), conditions)
        change = np.abs(raised.rgba.astype(int) - rest.rgba).sum(2)
        assert change[20:60, 30:106].mean() > 3, shapes
        assert change[80:].max() <= 10, shapes  # exposure follows the brows a little


def test_the_mouth_widens_and_narrows():
    person, _, conditions = scene(4, PLAIN)

    def width(**shapes: float) -> float:
        five = RENDERER.draw(person, with_shapes(**shapes), conditions).landmarks
        return float(np.linalg.norm(five[4] - five[3]) / np.linalg.norm(five[1] - five[0]))

    assert width(mouthPucker=1.0) < width() - 0.05
    assert width(mouthSmile=1.0) > width() + 0.05
    assert width(mouthStretch=1.0) > width() + 0.05


def test_with_pose_turns_only_the_head():
    person, expression, conditions = scene(5)
    left, right = conditions.with_pose(-30, 0, 0), conditions.with_pose(30, 0, 0)
    assert (
        replace(
            left, yaw_deg=conditions.yaw_deg, pitch_deg=conditions.pitch_deg, roll_deg=conditions.roll_deg
        )
        == conditions
    )

    def nose_offset(at) -> float:
        p = RENDERER.draw(person, expression, at).landmarks
        return float(p[2, 0] - p[:2, 0].mean())

    assert nose_offset(left) + 6 < nose_offset(conditions.with_pose(0, 0, 0)) < nose_offset(right) - 6
    same = RENDERER.draw(
        person,
        expression,
        conditions.with_pose(conditions.yaw_deg, conditions.pitch_deg, conditions.roll_deg),
    )
    np.testing.assert_array_equal(same.rgba, RENDERER.draw(person, expression, conditions).rgba)


def test_roll_is_taken_out_by_alignment():
    person, expression, conditions = scene(5, PLAIN)
    straight, rolled = (
        RENDERER.draw(person, expression, conditions.with_pose(10, 5, roll)) for roll in (0, 15)
    )
    np.testing.assert_allclose(rolled.landmarks, straight.landmarks, atol=1e-3)
    assert not np.array_equal(rolled.rgba, straight.rgba)  # but the light comes from elsewhere


@settings(max_examples=30, deadline=None)
@given(seeds, st.tuples(st.floats(0, 60), st.floats(0, 40), st.floats(0, 40)))
def test_heads_turn_no_further_than_they_may(seed, limits):
    _, _, conditions = scene(seed, Randomisation(pose_deg=limits))
    assert (
        np.abs([conditions.yaw_deg, conditions.pitch_deg, conditions.roll_deg]) <= np.array(limits) + 1e-9
    ).all()


def test_randomisation_groups_switch_off():
    people = [scene(s, Randomisation(identity=False)) for s in range(3)]
    assert all(np.array_equal(person.shape, RIG.neutral) for person, _, _ in people)
    plain = [scene(s, replace(PLAIN, skin=False)) for s in range(40)]
    assert all(np.array_equal(person.skin_rgb, plain[0][0].skin_rgb) for person, _, _ in plain)
    assert all(person.glasses is None and not conditions.hair.locks for person, _, conditions in plain)
    assert all(
        conditions.yaw_deg == conditions.pitch_deg == conditions.roll_deg == 0 for _, _, conditions in plain
    )
    assert all(person.wrinkles.depth == 0 for person, _, _ in plain)
    free = [scene(s) for s in range(40)]
    assert any(person.glasses for person, _, _ in free)
    assert any(conditions.hair.strands for _, _, conditions in free)
    assert np.std([person.skin_rgb[0] for person, _, _ in free]) > 20
    assert np.std([conditions.yaw_deg for _, _, conditions in free]) > 8


def test_wrinkles_darken_where_an_expression_folds():
    person, _, conditions = scene(6, PLAIN)
    folded = replace(person, wrinkles=replace(person.wrinkles, depth=0.5))
    frown = with_shapes(browDown=1.0)
    frown.intensities[COLUMN_OF[4]] = 1.0
    smooth, lined = (RENDERER.draw(p, frown, conditions).rgba.astype(int) for p in (person, folded))
    darker = (smooth - lined)[..., :3].sum(2)
    assert darker.min() >= -3
    assert darker[40:70, 58:78].max() > 30  # between the brows
    assert np.abs(darker[85:120]).max() <= 3
    at_rest = [RENDERER.draw(p, neutral_expression(RIG), conditions).rgba for p in (person, folded)]
    np.testing.assert_array_equal(*at_rest)


def test_glasses_and_hair_cover_the_face():
    with_glasses = next(s for s in map(scene, range(100)) if s[0].glasses)
    person, expression, conditions = with_glasses
    bare = replace(person, glasses=None)
    worn, not_worn = (RENDERER.draw(p, expression, conditions).rgba.astype(int) for p in (person, bare))
    changed = np.abs(worn - not_worn).sum(2) > 30
    assert changed[40:90].sum() > 5 * changed[100:].sum()
    curtained = next(s for s in map(scene, range(200)) if any(not lock.behind for lock in s[2].hair.locks))
    picture = RENDERER.draw(*curtained)
    without = RENDERER.draw(*curtained[:2], replace(curtained[2], hair=type(curtained[2].hair)()))
    assert (picture.rgba[..., 3] > 0).sum() > (without.rgba[..., 3] > 0).sum()


@pytest.mark.skipif(not Path(os.environ.get("AUTRT_RIG", "")).is_file(), reason="AUTRT_RIG names no face rig")
def test_the_real_rig_draws_faces():
    rig = load_rig(Path(os.environ["AUTRT_RIG"]))
    renderer = FaceRenderer(rig)
    for seed in range(8):
        person, expression, conditions = scene(seed, rig=rig)
        picture = renderer.draw(person, expression, conditions)
        np.testing.assert_allclose(similarity(picture.landmarks, ARCFACE_112 + 12), np.eye(2, 3), atol=2e-3)
        assert (picture.rgba[40:110, 50:86, 3] == 255).mean() > 0.95
        rest = renderer.draw(person, neutral_expression(rig), conditions)
        np.testing.assert_allclose(np.nan_to_num(rest.intensities), 0, atol=1e-6)
