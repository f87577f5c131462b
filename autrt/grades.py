"""Grades of a model's reliability for each Action Unit, and the rule that assigns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

Grade = Literal["validated", "weak", "experimental"]

GRADES: Final[tuple[Grade, ...]] = ("validated", "weak", "experimental")
"""From the best to the worst."""

UNGRADED: Final = "ungraded"
"""Stands in place of a grade for an AU that has none."""

MIN_POSITIVES: Final = 20
"""Faces that show an AU, below which it is experimental."""
VALIDATED_AUC: Final = 0.90
VALIDATED_F1: Final = 0.70
WEAK_AUC: Final = 0.75


def grade_of(auc: float, f1: float, positives: int) -> Grade:
    """Return the grade for results on coded real faces of people outside training.

    Args:
        auc: area under the ROC curve of the probability; NaN where it is undefined.
        f1: F1 of the decisions at the model's thresholds.
        positives: number of coded faces that show the AU.
    """
    if positives < MIN_POSITIVES:
        return "experimental"
    if auc >= VALIDATED_AUC and f1 >= VALIDATED_F1:
        return "validated"
    return "weak" if auc >= WEAK_AUC else "experimental"


def worst(grades: Sequence[Grade]) -> Grade:
    """Return the worst of one or more grades."""
    return max(grades, key=GRADES.index)


def grade_line(au_names: Sequence[str], grades: Sequence[str]) -> str | None:
    """Return a line that lists the AUs of each grade; None where none is graded.

    Args:
        au_names: AUs of a model.
        grades: grade of each AU, or `UNGRADED`.
    """
    groups = [
        f"{' '.join(au for au, g in zip(au_names, grades, strict=True) if g == grade)} {grade}"
        for grade in (*GRADES, UNGRADED)
        if grade in grades
    ]
    return None if set(grades) <= {UNGRADED} else "; ".join(groups)
