"""What a student learns from: a teacher's answers, and who the teacher is."""

from __future__ import annotations

from dataclasses import dataclass, field

from autrt_train.teacher.picture_targets import PictureTargets, StandardisedFeatures
from autrt_train.teacher.teacher import Teacher


@dataclass(frozen=True, slots=True, eq=False)
class TeacherTargets:
    """A teacher's answers about a run's pictures."""

    teacher: Teacher = field(repr=False)
    train: PictureTargets
    """Of the training pictures."""
    features: StandardisedFeatures | None
    """Its features of these, where the recipe asks for them and the teacher has any."""
    validation: PictureTargets
    """Of the validation pictures."""
    validated_by_teacher: bool
    """The validation pictures have no labels of their own: the teacher's decisions stand for them."""
    faces: int
    """Found in unlabelled videos."""
    duplicates: int
    """How many of these were left out, as they hardly differ from the one before."""

    @property
    def digest(self) -> str:
        """Names the teacher and its decisions, wherever they were computed: a run may go on on another machine."""
        return f"{self.teacher.model.digest} {self.teacher.settings.precision}"
