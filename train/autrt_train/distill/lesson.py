"""What a student learns from: a teacher's answers, other tools' values, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass, field

from autrt_train.distill.taught import Standardised, Taught
from autrt_train.distill.teacher import Teacher


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A teacher's answers about a run's pictures."""

    teacher: Teacher | None = field(repr=False)
    """None: soft targets of other tools alone."""
    train: Taught
    """Of the training pictures."""
    features: Standardised | None
    """Its features of these, where the recipe asks for them and the teacher has any."""
    validation: Taught
    """Of the validation pictures."""
    judged_by_teacher: bool
    """The validation pictures have no labels of their own: the teacher's decisions stand for them."""
    faces: int
    """Found in unlabelled videos."""
    duplicates: int
    """How many of these were left out, as they hardly differ from the one before."""
    tools: tuple[str, ...] = ()
    """Whose soft targets stand beside or in place of the teacher's."""
    targets_digest: str = ""
    """SHA-256 (hex) over these."""

    @property
    def digest(self) -> str:
        """Names the teacher and its decisions, wherever they were computed: a run may go on on another machine."""
        teacher = (
            "" if self.teacher is None else f"{self.teacher.model.digest} {self.teacher.settings.precision}"
        )
        return teacher + (f" {self.targets_digest}" if self.targets_digest else "")
