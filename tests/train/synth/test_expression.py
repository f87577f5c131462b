"""Expressions: what is drawn, how it mixes, and the labels that are read from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.aus import ABAW_AUS, AU15_AUS
from autrt_train.synth.dataset.randomisation import Randomisation
from autrt_train.synth.person.au_combinations import COLUMN_OF, COMBINATIONS, DRAWN, SEEN
from autrt_train.synth.person.expression import (
    EXPRESSIONS,
    SYNTH_AUS,
    Expression,
    draw_expression,
    hard_labels,
    neutral_expression,
    soft_targets,
)
from autrt_train.synth.rig.generated_head import generated_rig
from autrt_train.synth.rig.shapes import WEIGHT_MAX, shape_weights

RIG = generated_rig()
seeds = st.integers(0, 2**32 - 1)


def drawn(count: int, randomisation: Randomisation, seed: int = 0) -> list[Expression]:
    rng = np.random.default_rng(seed)
    return [draw_expression(rng, RIG, randomisation) for _ in range(count)]


def test_every_au_of_both_sets_has_a_column():
    assert set(SYNTH_AUS) == set(ABAW_AUS) | set(AU15_AUS)


@settings(max_examples=60, deadline=None)
@given(seeds, st.floats(0, 1), st.booleans())
def test_an_expression_is_within_its_bounds(seed, correlated, distract):
    randomisation = Randomisation(correlated=correlated, distract=distract)
    e = draw_expression(np.random.default_rng(seed), RIG, randomisation)
    assert e.weights.min() >= 0
    assert e.weights.max() <= WEIGHT_MAX
    assert np.isnan(e.intensities).tolist() == [name == "AU11" for name in SYNTH_AUS]
    assert np.nanmin(e.intensities) >= 0
    assert np.nanmax(e.intensities) <= 1
    assert -1 <= e.category < len(EXPRESSIONS)


def test_the_same_seed_draws_the_same():
    for a, b in zip(drawn(20, Randomisation(), 5), drawn(20, Randomisation(), 5), strict=True):
        np.testing.assert_array_equal(a.weights, b.weights)
        np.testing.assert_array_equal(a.intensities, b.intensities)


def test_every_au_is_drawn_weak_strong_and_not_at_all():
    values = np.stack([e.intensities for e in drawn(1500, Randomisation())])
    for au in DRAWN:
        column = values[:, COLUMN_OF[au]]
        assert (column > 0.7).sum() > 10, au
        assert 0.03 < (column > SEEN).mean() < 0.6, au
        assert (column == 0).mean() > 0.2, au


def test_without_distractors_only_labelled_aus_move_the_face():
    unlabelled = [n for n in RIG.expression_names if n.startswith(("eyeLook", "jawL", "jawR", "cheekPuff"))]
    for randomisation, seen in ((Randomisation(distract=False), False), (Randomisation(), True)):
        weights = np.stack([e.weights for e in drawn(200, randomisation)])
        assert (weights[:, [RIG.at[n] for n in unlabelled]] > 0).any() == seen


def test_tight_lids_narrow_the_eye_and_shut_it_more_often():
    def shut(intensity: float, distract: bool) -> np.ndarray:
        intensities = neutral_expression(RIG).intensities
        intensities[COLUMN_OF[7]] = intensity
        rng = np.random.default_rng(3)
        drawn = [shape_weights(rng, RIG, intensities, distract=distract) for _ in range(400)]
        return np.stack(drawn)[:, RIG.at["eyeBlink_L"]]

    assert shut(0.0, distract=False).max() == 0
    assert 0.05 < shut(1.0, distract=False).mean() < 0.5
    assert (shut(1.0, distract=True) > 0.6).mean() > 1.5 * (shut(0.0, distract=True) > 0.6).mean()


@pytest.mark.parametrize(
    ("au", "shapes"),
    [
        (1, "browInnerUp"), (2, "browOuterUp"), (4, "browDown"), (5, "eyeWide"), (6, "cheekSquint"),
        (7, "eyeSquint"), (9, "noseSneer"), (10, "mouthUpperUp"), (12, "mouthSmile"), (15, "mouthFrown"),
        (17, "mouthShrugLower"), (20, "mouthStretch"), (23, "mouthRollLower"), (24, "mouthPress"),
        (25, "mouthLowerDown"), (26, "jawOpen"),
    ],
)  # fmt: skip
def test_an_au_moves_its_shapes_more_the_stronger_it_is(au, shapes):
    sums = []
    for intensity in (0.0, 0.3, 1.0):
        intensities = neutral_expression(RIG).intensities
        intensities[COLUMN_OF[au]] = intensity
        weights = shape_weights(np.random.default_rng(1), RIG, intensities, distract=False)
        sums.append(
            sum(w for w, n in zip(weights, RIG.expression_names, strict=True) if n.startswith(shapes))
        )
    assert sums[0] == 0
    assert 0 < sums[1] < sums[2]


def test_classes_show_what_they_are_named_for():
    expressions = drawn(3000, Randomisation(correlated=1.0))
    by_class = {name: [e for e in expressions if e.category == k] for k, name in enumerate(EXPRESSIONS)}
    assert all(len(found) > 20 for found in by_class.values())
    for e in by_class["neutral"]:
        assert np.nanmax(e.intensities) < SEEN
    means = {n: np.mean([e.intensities for e in found], axis=0) for n, found in by_class.items()}
    strongest = {au: max(means, key=lambda n, au=au: means[n][COLUMN_OF[au]]) for au in (12, 15, 20, 23, 26)}
    assert strongest == {12: "happiness", 15: "sadness", 20: "fear", 23: "anger", 26: "surprise"}
    assert means["disgust"][[COLUMN_OF[9], COLUMN_OF[10]]].max() > 0.4
    assert all(
        combination.category is None or combination.category in EXPRESSIONS for combination in COMBINATIONS
    )
    assert any(e.category == -1 for e in expressions)
    assert all(e.category == -1 for e in drawn(100, Randomisation(correlated=0.0)))


def test_a_wide_eye_is_not_shut():
    at = RIG.at
    for e in drawn(800, Randomisation()):
        for side in ("_L", "_R"):
            assert e.weights[at[f"eyeBlink{side}"]] <= max(0, 1.05 - e.weights[at[f"eyeWide{side}"]]) + 1e-6


@given(seeds, st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_mixing_is_linear_and_keeps_the_unknown(seed, share):
    a, b = drawn(2, Randomisation(), seed)
    mixed = a.mixed(b, share)
    np.testing.assert_allclose(mixed.weights, a.weights + share * (b.weights - a.weights), atol=1e-6)
    np.testing.assert_allclose(
        mixed.intensities, a.intensities + share * (b.intensities - a.intensities), atol=1e-6
    )
    np.testing.assert_array_equal(a.mixed(b, 0).weights, a.weights)
    np.testing.assert_array_equal(a.mixed(b, 1).intensities, b.intensities)
    assert mixed.category == (a.category if share < 0.5 else b.category)


def test_soft_and_hard_labels_follow_the_ramps():
    table = np.zeros((5, len(SYNTH_AUS)), np.float32)
    table[:, COLUMN_OF[11]] = np.nan
    table[:, COLUMN_OF[12]] = [0.1, 0.15, 0.25, 0.35, 1.0]
    table[:, COLUMN_OF[25]] = [-0.01, 0.015, 0.0275, 0.04, 0.3]
    table[:, COLUMN_OF[26]] = [0.0, 0.06, 0.1, 0.14, 0.9]
    soft = soft_targets(table)
    for au in (12, 25, 26):
        np.testing.assert_allclose(soft[:, COLUMN_OF[au]], [0, 0, 0.5, 1, 1], atol=1e-5)
    assert np.isnan(soft[:, COLUMN_OF[11]]).all()
    table[2] += 1e-4
    hard = hard_labels(table)
    assert hard.dtype == np.int8
    assert soft.dtype == np.float32
    for au in (12, 25, 26):
        assert hard[:, COLUMN_OF[au]].tolist() == [0, 0, 1, 1, 1]
    assert hard[:, COLUMN_OF[11]].tolist() == [-1] * 5
    assert soft_targets(table[0]).shape == (17,)


def test_a_face_at_rest_shows_nothing():
    rest = neutral_expression(RIG)
    assert not rest.weights.any()
    assert set(hard_labels(rest.intensities).tolist()) == {0, -1}
    assert EXPRESSIONS[rest.category] == "neutral"
