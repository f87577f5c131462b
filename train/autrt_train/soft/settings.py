"""Settings of one set of soft targets in a recipe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Weight = Annotated[float, Field(ge=0)]

_AU: Final = re.compile(r"AU[1-9]\d?")


class TargetSettings(BaseModel):
    """Values of another tool, and their calibration."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    values: tuple[Path, ...]
    """Tables (CSV, Parquet), folders of them, or results folders of `autrt infer`, with values of training pictures
    and of coded ones."""
    tool: str | None = None
    """mediapipe, openface, py-feat, autrt or table; None: recognised by content."""
    au_names: tuple[str, ...] | None = None
    """AUs with soft targets; None: the tool's default."""
    columns: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """AU → columns whose mean is its value, in place of the tool's default ones."""
    coded: tuple[Path, ...] = ()
    """Label files of pictures and frames that have values, used only to fit the calibration."""
    threshold: Annotated[float, Field(gt=0)] = 1
    """Code from which an AU is present."""
    least: Annotated[int, Field(ge=2)] = 20
    """Smallest number of positives, and of negatives, to calibrate an AU."""
    clip: Annotated[float, Field(gt=0, lt=0.5)] = 0.02
    """Smallest distance of probabilities from 0 and 1."""
    first_frame: int | None = None
    """Number of a video's first frame in the tables; None: 1 for OpenFace, else 0."""
    weight: Weight = 1
    """Weight of each value in the loss; the teacher's have 1."""
    weights: dict[str, Weight] = Field(default_factory=dict[str, Weight])
    """AU → its own weight, multiplied by `weight`."""

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
        """Return the weight of an AU's values."""
        return self.weight * self.weights.get(au, 1.0)
