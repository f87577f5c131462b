"""Is the second of two sets of predictions good enough, given how much worse it may be?"""

from __future__ import annotations

from dataclasses import dataclass

from autrt_train.evaluate.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Verdict:
    """A stated loss of mean `f1_binary`, and what was found."""

    most_loss: float
    difference: float
    """Second minus first, of what a user of the models gets."""
    low: float
    """Lower end of its interval; NaN where there is none."""

    @property
    def accepted(self) -> bool:
        """Whether the loss is surely no larger: an interval that is not known accepts nothing."""
        return self.low >= -self.most_loss

    def __str__(self) -> str:
        word = "accepted" if self.accepted else "refused"
        return (
            f"{word}: mean f1_binary {self.difference:+.4f}, surely not below {self.low:+.4f}; "
            f"tolerated is a loss of {self.most_loss:g}"
        )


def judge_loss(evaluation: Evaluation, most_loss: float) -> Verdict:
    """Whether the second set of predictions loses at most so much.

    Args:
        evaluation: of two sets.
        most_loss: of mean `f1_binary`, from 0.
    """
    found = list(evaluation.differences.values())[-1]["f1_binary"]
    low, _ = found.interval()
    return Verdict(most_loss, float(found.value[-1]), float(low[-1]))
