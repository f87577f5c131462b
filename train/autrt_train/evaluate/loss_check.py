"""Check that the second of two sets of predictions loses no more than a stated limit."""

from __future__ import annotations

from dataclasses import dataclass

from autrt_train.evaluate.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class LossCheck:
    """Tolerated loss of mean `f1_binary`, and the measured difference."""

    most_loss: float
    difference: float
    """Second minus first, in the last stage."""
    low: float
    """Lower end of its interval; NaN if unknown."""

    @property
    def accepted(self) -> bool:
        """True if the loss is certainly within the limit; False if the interval is unknown."""
        return self.low >= -self.most_loss

    def __str__(self) -> str:
        word = "accepted" if self.accepted else "refused"
        return (
            f"{word}: mean f1_binary {self.difference:+.4f}, surely not below {self.low:+.4f}; "
            f"tolerated is a loss of {self.most_loss:g}"
        )


def check_loss(evaluation: Evaluation, most_loss: float) -> LossCheck:
    """Check if the second set of predictions loses at most `most_loss`.

    Args:
        evaluation: of two sets.
        most_loss: of mean `f1_binary`, 0 or more.
    """
    found = list(evaluation.differences.values())[-1]["f1_binary"]
    low, _ = found.interval()
    return LossCheck(most_loss, float(found.value[-1]), float(low[-1]))
