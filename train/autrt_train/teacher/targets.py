"""The targets of a run with a teacher or other tools: their outputs, and what they were computed for."""

from __future__ import annotations

from dataclasses import dataclass, field

from autrt_train.teacher.picture_targets import PictureTargets, StandardisedFeatures
from autrt_train.teacher.teacher import Teacher


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TeacherTargets:
    """A teacher's outputs, or those of other tools, for a run's pictures."""

    teacher: Teacher | None = field(repr=False)
    """None: soft targets of other tools only."""
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

    tools: tuple[str, ...] = ()
    """Names of tools with soft targets, which take the place of the teacher's."""
    tools_digest: str = ""
    """SHA-256 (hex) over their targets."""

    @property
    def digest(self) -> str:
        """Name of teacher, precision and tools that is the same on every machine, so that a run can move."""
        teacher = (
            "" if self.teacher is None else f"{self.teacher.model.digest} {self.teacher.settings.precision}"
        )
        return teacher + (f" {self.tools_digest}" if self.tools_digest else "")
