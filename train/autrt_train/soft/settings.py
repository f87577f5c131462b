"""Settings of one set of soft targets, as a recipe has them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Weight = Annotated[float, Field(ge=0)]

_AU: Final = re.compile(r"AU[1-9]\d?")


class TargetSettings(BaseModel):
    """Values of another tool, what they mean, and how they become probabilities."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    values: tuple[Path, ...]
    """Tables (CSV, Parquet), folders of them, or results folders of `autrt infer`: of the pictures and videos that
    are learnt from, and of the coded ones."""
    tool: str | None = None
    """mediapipe, openface, py-feat, autrt or table; None: by content."""
    au_names: tuple[str, ...] | None = None
    """The AUs that it teaches; None: the tool's default."""
    columns: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """AU → the columns whose mean is its value, in place of the tool's own."""
    coded: tuple[Path, ...] = ()
    """Label files of pictures and frames that have values: the calibration is fitted on them, nothing else is."""
    threshold: Annotated[float, Field(gt=0)] = 1
    """The code from which an AU is present."""
    least: Annotated[int, Field(ge=2)] = 20
    """Positives, and negatives, that an AU's calibration needs."""
    clip: Annotated[float, Field(gt=0, lt=0.5)] = 0.02
    """Probabilities stay so far from 0 and 1: nobody is surer than that."""
    first_frame: int | None = None
    """The number of a video's first frame in the tables; None: 1 for OpenFace, else 0."""
    weight: Weight = 1
    """How much each value counts in the loss, against the teacher's 1."""
    weights: dict[str, Weight] = Field(default_factory=dict[str, Weight])
    """AU → its own weight, multiplied with `weight`."""

    @model_validator(mode="after")
    def _names_aus(self) -> Self:
        for key in ("columns", "weights", "au_names"):
            for name in getattr(self, key) or ():
                if not _AU.fullmatch(name):
                    raise ValueError(f"{key}: expected names of AUs such as AU2, found {name!r}")
        if not self.values:
            raise ValueError("values: expected a table or a folder, found none")
        return self

    def weight_of(self, au: str) -> float:
        """How much an AU's values count."""
        return self.weight * self.weights.get(au, 1.0)
