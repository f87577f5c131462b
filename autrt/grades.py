"""How far a model's answer for an Action Unit can be trusted: grades, and the rule that gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

Grade = Literal["validated", "weak", "experimental"]

GRADES: Final[tuple[Grade, ...]] = ("validated", "weak", "experimental")
"""From the best to the worst."""

UNGRADED: Final = "ungraded"
"""Stands for the grade of an Action Unit that nobody has graded."""

MIN_POSITIVES: Final = 20
VALIDATED_AUC: Final = 0.90
VALIDATED_F1: Final = 0.70
WEAK_AUC: Final = 0.75


def grade_of(auc: float, f1: float, positives: int) -> Grade:
    """The grade that figures on coded real faces of people outside training earn.

    Args:
        auc: area under the ROC curve of the probability; NaN where it can't be told.
        f1: F1 of the decisions at the model's thresholds.
        positives: coded faces that show the movement.
    """
    if positives < MIN_POSITIVES:
        return "experimental"
    if auc >= VALIDATED_AUC and f1 >= VALIDATED_F1:
        return "validated"
    return "weak" if auc >= WEAK_AUC else "experimental"


def worst(grades: Sequence[Grade]) -> Grade:
    """The worst of some grades, at least one."""
    return max(grades, key=GRADES.index)


def grade_line(au_names: Sequence[str], grades: Sequence[str]) -> str | None:
    """Which Action Units have which grade, on one line; None where none is graded.

    Args:
        au_names: of a model.
        grades: one for each; `UNGRADED` where there is none.
    """
    groups = [
        f"{' '.join(au for au, g in zip(au_names, grades, strict=True) if g == grade)} {grade}"
        for grade in (*GRADES, UNGRADED)
        if grade in grades
    ]
    return None if set(grades) <= {UNGRADED} else "; ".join(groups)
