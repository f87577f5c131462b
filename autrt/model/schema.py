"""Schemas of `model.json` and `ensemble.json`, which are checked field by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autrt.errors import UsageError
from autrt.grades import Grade
from autrt.template import TEMPLATES
from autrt.types import CROP_SIZE_PX

MODEL_FILE = "model.json"
ENSEMBLE_FILE = "ensemble.json"

Probability = Annotated[float, Field(ge=0, le=1)]
Window = Annotated[int, Field(ge=1)]
Domain = Literal["logit", "probability"]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


class FileFacts(_Strict):
    """Size and SHA-256 of a file when the folder was written."""

    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Files(_Strict):
    """The model folder's files beside `model.json`."""

    weights: FileFacts
    graph: FileFacts
    reference: FileFacts


class Input(_Strict):
    """Input of the network: uint8 crops (B, size_px, size_px, 3), aligned to a template."""

    size_px: Literal[112] = CROP_SIZE_PX
    colour: Literal["RGB"] = "RGB"
    template: str = "arcface-112"

    @model_validator(mode="after")
    def _known_template(self) -> Self:
        if self.template not in TEMPLATES:
            raise ValueError(f"no alignment template {self.template!r}; known: {', '.join(TEMPLATES)}")
        return self


class TemporalFacts(_Strict):
    """A temporal network, in `temporal.onnx`, which gives each frame's logits from those around it."""

    file: FileFacts
    architecture: dict[str, Any]
    """Fields of `autrt.model.temporal.TemporalConfig`."""
    features: int = Field(ge=0)
    """Features of a face that it sees beside the logits; 0 for none."""
    reach_ticks: int = Field(ge=0)
    """Ticks, 30 a second, before and after a frame on which its logits depend."""
    training: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Provenance, in any form."""


class Metric(_Strict):
    """A measurement of the model on a data set."""

    name: str
    data_set: str
    value: float
    per_au: dict[str, float] = Field(default_factory=dict[str, float])


class AUGrade(_Strict):
    """Grade of the model for one AU, with the evidence for it."""

    grade: Grade
    evidence: str = Field(min_length=1)
    """One sentence, with figures and counts."""


class _Decisions(_Strict):
    """Settings that turn logits into decisions, one entry per AU."""

    au_names: tuple[str, ...] = Field(min_length=1)
    thresholds: tuple[Probability, ...]
    """Probability from which an AU is active."""
    smoothing_windows: tuple[Window, ...]
    """Frames at 30 frames a second; 1 is none."""
    smoothing_domain: Domain = "logit"
    metrics: tuple[Metric, ...] = ()
    grades: dict[str, AUGrade] = Field(default_factory=dict[str, AUGrade])
    """AU name → grade; an AU without one is ungraded."""
    temporal: TemporalFacts | None = None
    """Network in place of the windows, which are then all 1."""
    licence: str

    @model_validator(mode="after")
    def _one_per_au(self) -> Self:
        n = len(self.au_names)
        if len(set(self.au_names)) != n:
            raise ValueError("au_names: a name stands twice")
        for name in ("thresholds", "smoothing_windows"):
            if len(getattr(self, name)) != n:
                raise ValueError(
                    f"{name}: expected {n} numbers, one per AU, found {len(getattr(self, name))}"
                )
        if self.temporal is not None and set(self.smoothing_windows) != {1}:
            raise ValueError("smoothing_windows: expected 1 for every AU beside a temporal network")
        if unknown := [au for au in self.grades if au not in self.au_names]:
            raise ValueError(f"grades: the model has no {unknown[0]}; it has {', '.join(self.au_names)}")
        return self


class ModelFile(_Decisions):
    """`model.json`: one network with its thresholds and windows."""

    schema_: Literal["autrt-model/1", "autrt-model/2"] = Field("autrt-model/1", alias="schema")
    """2 with a temporal network, which earlier versions don't know."""
    architecture: dict[str, Any]
    """{"name": …, and the fields of that architecture's configuration}."""
    input: Input = Input()
    outputs: dict[str, tuple[int, ...]]
    """Name → shape of one row, float32."""
    files: Files
    training: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Provenance: data, recipe, versions, dates, in any form."""

    @model_validator(mode="after")
    def _logits_fit(self) -> Self:
        _check_version(self.schema_, self.temporal)
        if self.outputs.get("logits") != (len(self.au_names),):
            raise ValueError(f"outputs.logits: expected [{len(self.au_names)}], one per AU")
        if not isinstance(self.architecture.get("name"), str):
            raise ValueError("architecture.name: expected the name of a network")
        return self


class EnsembleFile(_Decisions):
    """`ensemble.json`: members in `members/NAME/`, and the weight of each for each AU."""

    schema_: Literal["autrt-ensemble/1", "autrt-ensemble/2"] = Field("autrt-ensemble/1", alias="schema")
    """2 with a temporal network, which earlier versions don't know."""
    members: tuple[FolderName, ...] = Field(min_length=1)
    weights: tuple[tuple[Annotated[float, Field(ge=0)], ...], ...]
    """M rows of A numbers; the sum of each column is above 0."""
    notes: dict[str, Any] = Field(default_factory=dict[str, Any])

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        _check_version(self.schema_, self.temporal)
        if len(set(self.members)) != len(self.members):
            raise ValueError("members: a name stands twice")
        shape = (len(self.members), len(self.au_names))
        if len(self.weights) != shape[0] or any(len(row) != shape[1] for row in self.weights):
            raise ValueError(f"weights: expected {shape[0]} rows of {shape[1]} numbers")
        if any(sum(column) <= 0 for column in zip(*self.weights, strict=True)):
            raise ValueError("weights: an AU has no member with a weight above 0")
        return self


def _check_version(schema: str, temporal: TemporalFacts | None) -> None:
    wanted = "2" if temporal is not None else "1"
    if not schema.endswith(f"/{wanted}"):
        state = "with" if temporal is not None else "without"
        raise ValueError(f"schema: expected number {wanted} {state} a temporal network, found {schema}")


FileT = TypeVar("FileT", ModelFile, EnsembleFile)


def read_json(path: Path, kind: type[FileT]) -> FileT:
    """Read and check one of the two files.

    Raises:
        UsageError: the file cannot be read, or does not follow its schema.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise UsageError(f"{path} is no valid {path.name}:\n{_faults(error)}") from error


def description_path(folder: Path) -> Path:
    """Return the path of a model folder's `ensemble.json` where there is one, else of its `model.json`."""
    ensemble = folder / ENSEMBLE_FILE
    return ensemble if ensemble.is_file() else folder / MODEL_FILE


def read_description(folder: Path) -> ModelFile | EnsembleFile:
    """Read and check the file at a model folder's `description_path`.

    Raises:
        UsageError: the file cannot be read, or does not follow its schema.
    """
    path = description_path(folder)
    if path.name == ENSEMBLE_FILE:
        return read_json(path, EnsembleFile)
    return read_json(path, ModelFile)


def write_json(path: Path, kind: type[ModelFile] | type[EnsembleFile], **content: Any) -> None:
    """Check the content and write one of the two files, indented for people to read.

    Raises:
        UsageError: the content does not follow the schema.
    """
    try:
        file = kind(**content)
    except ValidationError as error:
        raise UsageError(f"{path.name} cannot be written:\n{_faults(error)}") from error
    fields = file.model_dump(mode="json", by_alias=True)
    if fields["temporal"] is None:
        del fields["temporal"]
    ordered = {"schema": fields.pop("schema"), **fields}
    path.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _faults(error: ValidationError, most: int = 5) -> str:
    """Describe the first errors, one a line."""
    lines = [f"  {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
    more = [f"  and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join(lines[:most] + more)
