"""Held-out scores of an ensemble: members selected on one half are scored on the other half."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autrt.postprocess.ensemble import sigmoid
from autrt.types import F32, I32, Bool, ShapedRepr, check_array
from autrt_train.ensembling.candidate_scores import CandidateScores
from autrt_train.ensembling.f1 import ThresholdRule, combine_logits
from autrt_train.ensembling.selectors import Selector
from autrt_train.types import I8

HALVES = 2


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class HeldOutHalves(ShapedRepr):
    """The validation data in two halves that share neither a video nor a person."""

    logits: F32
    """(N, M, A) float32."""
    labels: I8
    """(N, A) int8."""
    half: I32
    """(N,) int32, 0 or 1."""
    rule: ThresholdRule
    scores: tuple[CandidateScores, ...]
    """Of each half."""

    def __post_init__(self) -> None:
        n, _, aus = self.logits.shape
        check_array(self, "logits", self.logits, np.float32, (None, None, None))
        check_array(self, "labels", self.labels, np.int8, (n, aus))
        check_array(self, "half", self.half, np.int32, (n,))

    @classmethod
    def of(cls, whole: CandidateScores, half: I32, rule: ThresholdRule) -> HeldOutHalves:
        """Score every candidate alone on each half."""
        logits, labels = whole.logits, whole.labels
        scores = [
            CandidateScores.of(logits[half == i], labels[half == i], whole.sources, whole.score)
            for i in range(HALVES)
        ]
        return cls(logits=logits, labels=labels, half=half, rule=rule, scores=tuple(scores))

    def decisions(self, select: Selector, without: int | None = None) -> Bool:
        """Return (N, A) bool decisions on each half by the ensemble selected on the other half.

        Args:
            select: returns the weights.
            without: a candidate that takes no part.

        Raises:
            UsageError: as `select`.
        """
        out = np.zeros(self.labels.shape, np.bool_)
        for i, scores in enumerate(self.scores):
            weights = select(scores if without is None else scores.without(without))
            thresholds = self.rule(combine_logits(scores.logits, weights), scores.labels)
            others = self.half != i
            out[others] = sigmoid(combine_logits(self.logits[others], weights)) >= thresholds
        return out
