"""The targets of a run with a teacher: its outputs, and what they were computed for."""

from __future__ import annotations

from dataclasses import dataclass, field

from autrt_train.teacher.picture_targets import PictureTargets, StandardisedFeatures
from autrt_train.teacher.teacher import Teacher


@dataclass(frozen=True, slots=True, eq=False)
class TeacherTargets:
    """A teacher's outputs for a run's pictures."""

    teacher: Teacher = field(repr=False)
    train: PictureTargets
    """Of the training pictures."""
    features: StandardisedFeatures | None
    """The teacher's features of these, if the recipe uses them and the teacher has any."""
    validation: PictureTargets
    """Of the validation pictures."""
    validated_by_teacher: bool
    """True if the validation pictures have no labels of their own and the teacher's decisions replace them."""
    faces: int
    """Number of faces found in unlabelled videos."""
    duplicates: int
    """Number of these left out because they hardly differ from the one before."""

    @property
    def digest(self) -> str:
        """Name of teacher and precision that is the same on every machine, so that a run can move."""
        return f"{self.teacher.model.digest} {self.teacher.settings.precision}"
