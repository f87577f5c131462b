"""The searches for an ensemble's weights against slow, plain versions, and the halves that judge them."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from autrt.errors import UsageError
from autrt.postprocess.ensemble import combine, sigmoid
from autrt_train.ensembling import f1 as scores
from autrt_train.ensembling.candidate_scores import CandidateScores
from autrt_train.ensembling.f1 import THRESHOLD_RULES
from autrt_train.ensembling.greedy import ROUNDS, greedy
from autrt_train.ensembling.held_out import HeldOutHalves
from autrt_train.ensembling.selectors import SELECTORS, best_per_au, best_single
from autrt_train.ensembling.simplex import mixtures, simplex, simplex_shared
from autrt_train.metrics import au_scores, best_thresholds
from autrt_train.selection import Score, best_f1, f1_at_half, posneg_at_half, score_aus

SCORES = pytest.mark.parametrize("score", [best_f1, f1_at_half])


def random_logits(
    seed: int = 0, n: int = 60, members: int = 3, aus: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Logits that know something of the labels, a few of which are missing; the last AU is never active."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (n, aus)).astype(np.int8)
    labels[:, -1] = 0
    skill = rng.uniform(0, 1.5, (members, aus))
    logits = (labels[:, None] - 0.5) * skill + rng.normal(0, 1, (n, members, aus))
    labels[rng.random(labels.shape) < 0.1] = -1
    return logits.astype(np.float32), labels


def candidate_scores(
    score: Score, seed: int = 0, sources: list[tuple[int, ...]] | None = None, **sizes: int
) -> CandidateScores:
    logits, labels = random_logits(seed, **sizes)
    return CandidateScores.of(logits, labels, sources or [(m,) for m in range(logits.shape[1])], score)


def slow_f1(logits: np.ndarray, labels: np.ndarray, score: Score) -> float:
    """One AU's F1, counted plainly at every threshold that could matter, or at a logit of 0."""
    known = labels >= 0
    truth, known_logits = labels[known] == 1, logits[known]
    if truth.all() or not truth.any():
        return float("nan")
    thresholds = np.unique(known_logits) if score is best_f1 else np.zeros(1)
    active = known_logits >= thresholds[:, None]
    hits, alarms = (active & truth).sum(1), (active & ~truth).sum(1)
    return float((2 * hits / (hits + alarms + truth.sum())).max())


def sklearn_f1(logits: np.ndarray, truth: np.ndarray, score: Score) -> float:
    if len(np.unique(truth)) < 2:
        return float("nan")
    thresholds = np.unique(logits) if score is best_f1 else [0]
    return max(float(f1_score(truth, logits >= limit)) for limit in thresholds)


def slow_mixed(p: CandidateScores, weights: np.ndarray) -> np.ndarray:
    """(A,) F1 of the ensemble."""
    combined = combine(p.logits, weights)
    return np.array([slow_f1(combined[:, au], p.labels[:, au], p.score) for au in range(p.n_aus)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), max_size=25))
def test_f1_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    logits = np.array([value / 2 for value, _ in rows], np.float32)
    truth = np.array([positive for _, positive in rows], np.bool_)
    for score in (best_f1, f1_at_half):
        found, wanted = score(logits, truth), sklearn_f1(logits, truth, score)
        assert found == pytest.approx(wanted, nan_ok=True)
    macro = f1_score(truth, logits >= 0, average="macro") if len(np.unique(truth)) == 2 else np.nan
    assert posneg_at_half(logits, truth) == pytest.approx(macro, nan_ok=True)


def test_aus_are_scored_over_their_known_labels() -> None:
    logits, labels = random_logits(3, n=300)
    wanted = au_scores(sigmoid(logits[:, 0]), labels)
    for score, name in ((f1_at_half, "f1_binary"), (posneg_at_half, "f1_posneg")):
        found = score_aus(logits[:, 0], labels, score)
        np.testing.assert_allclose(found[:3], getattr(wanted, name)[:3])
        assert np.isnan(found[3])


def test_the_best_f1_is_that_of_the_calibrated_threshold() -> None:
    logits, labels = random_logits(3, n=300)
    told = sigmoid(logits[:, 0])
    calibrated = au_scores(told, labels, best_thresholds(told, labels)).f1_binary
    known = [labels[:, au] >= 0 for au in range(4)]
    found = [best_f1(logits[k, 0, au], labels[k, au] == 1) for au, k in enumerate(known)]
    np.testing.assert_allclose(found[:3], calibrated[:3])
    assert np.isnan(found[3])


@pytest.mark.parametrize("sources", [1, 2, 3, 5])
def test_mixtures_are_all_tenths_with_few_sources_first(sources: int) -> None:
    found = mixtures(sources)
    slow = {t for t in product(range(11), repeat=sources) if sum(t) == 10} if sources < 5 else set()
    tenths = [tuple(row) for row in np.rint(found * 10).astype(int).tolist()]
    assert len(tenths) == len(set(tenths)) == comb(9 + sources, sources - 1)
    assert not slow or set(tenths) == slow
    assert all(sum(row) == 10 for row in tenths)
    used = [np.count_nonzero(row) for row in tenths]
    assert used == sorted(used)
    np.testing.assert_array_equal(found[:sources], np.eye(sources))


def test_too_many_sources_are_refused_with_the_way_out() -> None:
    assert len(mixtures(7)) == 8008
    with pytest.raises(UsageError, match=r"8 sources .* 19,448 ways.*--select greedy"):
        mixtures(8)


@SCORES
@pytest.mark.parametrize("seed", range(3))
def test_best_per_au_is_the_best_of_all(score: Score, seed: int) -> None:
    p = candidate_scores(score, seed, members=5)
    weights = best_per_au(p)
    assert (np.sort(weights, axis=0)[:-1] == 0).all()
    assert (weights.max(0) == 1).all()
    for au in range(3):
        every = [slow_f1(p.logits[:, m, au], p.labels[:, au], score) for m in range(5)]
        assert slow_mixed(p, weights)[au] == pytest.approx(max(every))
    single = best_single(p)
    means = [
        np.nanmean([slow_f1(p.logits[:, m, a], p.labels[:, a], score) for a in range(3)]) for m in range(5)
    ]
    assert (single[int(np.argmax(means))] == 1).all()
    assert single.sum() == p.n_aus
    assert weights[:, 3].tolist() == single[:, 3].tolist()  # nothing to choose by: the best over all AUs


@SCORES
def test_simplex_is_the_best_mixture(score: Score) -> None:
    p = candidate_scores(score, 1, n=40, aus=3)
    tried = [np.array(t, np.float32) / 10 for t in product(range(11), repeat=3) if sum(t) == 10]
    every = np.array([slow_mixed(p, np.repeat(t[:, None], 3, 1)) for t in tried])
    np.testing.assert_allclose(slow_mixed(p, simplex(p))[:2], every.max(0)[:2])
    shared = simplex_shared(p)
    assert (shared == shared[:, :1]).all()
    assert np.nanmean(slow_mixed(p, shared)) == pytest.approx(np.nanmean(every, axis=1).max())
    for weights in (simplex(p), shared):
        np.testing.assert_allclose(weights.sum(0), 1, atol=1e-6)


@SCORES
def test_a_run_takes_part_by_its_best_checkpoint_per_au(score: Score) -> None:
    p = candidate_scores(score, 2, [(0, 1, 2), (3, 4)], members=5)
    for select in (simplex, simplex_shared):
        weights = select(p)
        for au in range(3):
            for source in p.sources:
                taken = [m for m in source if weights[m, au] > 0]
                alone = [slow_f1(p.logits[:, m, au], p.labels[:, au], score) for m in source]
                assert len(taken) <= 1
                assert all(alone[source.index(m)] == pytest.approx(max(alone)) for m in taken)
        np.testing.assert_allclose(weights.sum(0), 1, atol=1e-6)


def test_network_of_two_sources_gets_both_shares() -> None:
    p = candidate_scores(best_f1, 0, [(0, 1), (0,), (2,)])
    for select in SELECTORS.values():
        np.testing.assert_allclose(select(p).sum(0), 1, atol=1e-6)


def slow_greedy(p: CandidateScores, au: int) -> list[int]:
    """Caruana et al. by the book: a bag that grows by whichever helps most; the best of all bags."""
    order = p.ranked()

    def of(bag: list[int]) -> float:
        combined = np.mean([p.logits[:, m, au].astype(np.float64) for m in bag], axis=0).astype(np.float32)
        return slow_f1(combined, p.labels[:, au], p.score)

    bag = [max(order, key=lambda m: of([m]))]
    bags = [list(bag)]
    while len(bag) < ROUNDS:
        bag.append(max(order, key=lambda m: of([*bag, m])))
        bags.append(list(bag))
    return max(bags, key=of)


@SCORES
@pytest.mark.parametrize("seed", range(2))
def test_greedy_is_caruanas(score: Score, seed: int) -> None:
    p = candidate_scores(score, seed, n=30, members=4, aus=3)
    weights = greedy(p)
    for au in range(2):
        bag = slow_greedy(p, au)
        np.testing.assert_allclose(weights[:, au], np.bincount(bag, minlength=4) / len(bag), atol=1e-6)
        assert slow_mixed(p, weights)[au] >= np.nanmax(p.alone[:, au]) - 1e-9


@pytest.mark.parametrize("select", SELECTORS.values(), ids=list(SELECTORS))
def test_selectors_give_no_weight_to_excluded_candidates(select) -> None:
    p = candidate_scores(best_f1, 4, [(0, 1), (2,), (3,)], members=4)
    for candidate in range(4):
        rest = p.without(candidate)
        assert candidate not in rest.candidates
        weights = select(rest)
        assert (weights[candidate] == 0).all()
        np.testing.assert_allclose(weights.sum(0), 1, atol=1e-6)
    assert p.without(2).sources == ((0, 1), (3,))


@pytest.mark.parametrize("thresholds", ["calibrated", "0.5"])
@pytest.mark.parametrize("select", SELECTORS.values(), ids=list(SELECTORS))
def test_held_out_decisions_ignore_their_own_labels(select, thresholds) -> None:
    logits, labels = random_logits(5, n=80)
    half = (np.arange(80) % 2).astype(np.int32)
    score = best_f1 if thresholds == "calibrated" else posneg_at_half

    def decisions(known: np.ndarray) -> np.ndarray:
        whole = CandidateScores.of(logits, known, [(0, 1), (2,)], score)
        return HeldOutHalves.of(whole, half, THRESHOLD_RULES[thresholds]).decisions(select)

    before = decisions(labels)
    rng = np.random.default_rng(0)
    for held_out in range(2):
        changed = labels.copy()
        changed[half == held_out] = rng.integers(-1, 2, changed[half == held_out].shape)
        after = decisions(changed)
        np.testing.assert_array_equal(after[half == held_out], before[half == held_out])
        assert thresholds == "0.5" or (after[half != held_out] != before[half != held_out]).any()


@pytest.mark.parametrize("n", [0, 5, 64, 70])
def test_combine_logits_in_pieces_equals_combine(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "ROWS_AT_A_TIME", 32)
    logits, _ = random_logits(7, n=70)
    weights = np.array([[1, 0, 0.3, 0], [0, 0, 0, 0], [0, 1, 0.7, 2]], np.float32)
    np.testing.assert_array_equal(scores.combine_logits(logits[:n], weights), combine(logits[:n], weights))


def test_halves_decide_as_the_other_halfs_ensemble() -> None:
    logits, labels = random_logits(6, n=90)
    half = (np.arange(90) // 3 % 2).astype(np.int32)
    whole = CandidateScores.of(logits, labels, [(0,), (1,), (2,)], best_f1)
    found = HeldOutHalves.of(whole, half, THRESHOLD_RULES["calibrated"]).decisions(best_per_au)
    for part in (0, 1):
        learnt, held_out = half == part, half != part
        weights = best_per_au(CandidateScores.of(logits[learnt], labels[learnt], [(0,), (1,), (2,)], best_f1))
        thresholds = best_thresholds(sigmoid(combine(logits[learnt], weights)), labels[learnt])
        np.testing.assert_array_equal(
            found[held_out], sigmoid(combine(logits[held_out], weights)) >= thresholds
        )
