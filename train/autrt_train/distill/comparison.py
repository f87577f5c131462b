"""Comparison of a student with its teacher (scores, size, speed), on the terminal and as `distill.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt import __version__
from autrt.model.flops import measure_architecture
from autrt.model.folder import Model
from autrt.postprocess.ensemble import sigmoid
from autrt.storage.atomic_file import replacing
from autrt.types import F32, F64, ShapedRepr, check_array
from autrt_train.distill.speed import crops_per_s
from autrt_train.metrics import au_scores, best_thresholds
from autrt_train.model_outputs import ModelRunner
from autrt_train.teacher.targets import TeacherTargets
from autrt_train.teacher.teacher import Teacher
from autrt_train.training_data import TrainingData
from autrt_train.types import I8, MISSING

SCHEMA: Final = "autrt-distill/1"
REPORT_FILE: Final = "distill.json"
UNKNOWN: Final = "–"


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class ModelScores(ShapedRepr):
    """Scores, size and speed of one model."""

    name: str
    digest: str
    parameters: int
    flops: int
    """Of one crop, all members together."""
    crops_per_s: float
    f1: F64
    """(A,) `f1_binary` at thresholds chosen on the same pictures; NaN where undefined."""
    auc: F64
    """(A,)."""

    def __post_init__(self) -> None:
        check_array(self, "f1", self.f1, np.float64, (None,))
        check_array(self, "auc", self.auc, np.float64, self.f1.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherComparison:
    """Scores of teacher and student on the same pictures."""

    teacher: ModelScores
    student: ModelScores
    au_names: tuple[str, ...]
    pictures: int
    """Number of validation pictures."""
    data: dict[str, Any]
    validated_by_teacher: bool
    notes: list[str] = field(default_factory=list[str])

    @property
    def shares(self) -> F64:
        """The student's share of the teacher's F1, (A,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            share = self.student.f1 / self.teacher.f1
        return np.where(np.isfinite(share), share, np.nan)

    def means(self) -> dict[str, float]:
        """Return means over the AUs that both have a score of; the share is that of the means."""
        out: dict[str, float] = {}
        for name, student, teacher in (
            ("f1_binary", self.student.f1, self.teacher.f1),
            ("auc", self.student.auc, self.teacher.auc),
        ):
            pair = np.stack([teacher, student])
            both = pair[:, ~np.isnan(pair).any(0)]
            values = both.mean(1).tolist() if both.size else [float("nan")] * 2
            out[f"teacher_{name}"], out[f"student_{name}"] = values
        teacher_f1 = out["teacher_f1_binary"]
        out["share_of_f1_binary"] = out["student_f1_binary"] / teacher_f1 if teacher_f1 else float("nan")
        return out

    def as_json(self) -> dict[str, Any]:
        """Return JSON values; undefined scores are null."""
        means = self.means()
        columns = {
            "teacher_f1_binary": self.teacher.f1,
            "student_f1_binary": self.student.f1,
            "share_of_f1_binary": self.shares,
            "teacher_auc": self.teacher.auc,
            "student_auc": self.student.auc,
        }
        return {
            "schema": SCHEMA,
            "autrt": __version__,
            "teacher": _side_json(self.teacher),
            "student": _side_json(self.student),
            "student_over_teacher": {
                "parameters": self.student.parameters / self.teacher.parameters,
                "flops": self.student.flops / self.teacher.flops,
                "crops_per_s": self.student.crops_per_s / self.teacher.crops_per_s,
            },
            "data": self.data,
            "judged_on": {
                "pictures": self.pictures,
                "labels": "the teacher's decisions" if self.validated_by_teacher else "annotations",
                "thresholds": "each model's best on these pictures",
            },
            "aus": {
                name: {key: _plain(column[i]) for key, column in columns.items()}
                for i, name in enumerate(self.au_names)
            },
            "mean": {key: _plain(value) for key, value in means.items()},
            "notes": self.notes,
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines of a table for a terminal."""
        labelled_by = "the teacher's decisions" if self.validated_by_teacher else "labels"
        yield f"student against teacher on {self.pictures} validation pictures, by {labelled_by}:"
        head = ("", "F1 teacher", "F1 student", "share", "AUC teacher", "AUC student")
        columns = (self.teacher.f1, self.student.f1, self.shares, self.teacher.auc, self.student.auc)
        rows = [(name, [float(column[i]) for column in columns]) for i, name in enumerate(self.au_names)]
        means = self.means()
        keys = ("teacher_f1_binary", "student_f1_binary", "share_of_f1_binary", "teacher_auc", "student_auc")
        rows.append(("mean", [means[key] for key in keys]))
        yield "".join(title.rjust(len(title) + 2) if title else f"{'':6}" for title in head)
        for name, values in rows:
            texts = [_shown(value, share=i == 2) for i, value in enumerate(values)]
            yield f"{name:6}" + "".join(
                text.rjust(len(title) + 2) for text, title in zip(texts, head[1:], strict=True)
            )
        yield "  (F1 of the positive class at each model's best thresholds on these pictures)"
        for title, side in (("teacher", self.teacher), ("student", self.student)):
            yield (
                f"{title} {side.name}: {side.parameters / 1e6:.3f} M parameters, {side.flops / 1e9:.4f} GFLOP, "
                f"{side.crops_per_s:.0f} crops/s"
            )
        teacher, student = self.teacher, self.student
        yield (
            f"the student has 1/{teacher.parameters / student.parameters:.1f} of the parameters and "
            f"1/{teacher.flops / student.flops:.1f} of the arithmetic, and is "
            f"{student.crops_per_s / teacher.crops_per_s:.1f} times as fast"
        )
        yield from self.notes


def compare_with_teacher(
    teacher: Teacher,
    teacher_targets: TeacherTargets,
    data: TrainingData,
    student: Model,
    logits: F32,
    name: str,
) -> TeacherComparison:
    """Score both models on the run's validation data, and measure their size and speed.

    Args:
        teacher: the model.
        teacher_targets: its outputs.
        data: of the run; its validation part is used.
        student: the finished model.
        logits: (N, A) float32 the student's logits of the validation pictures.
        name: of the student in the report.

    Raises:
        EngineError: an engine cannot run here.
    """
    labels = data.validation.labels
    running = ModelRunner(student, teacher.settings)
    rates = crops_per_s([teacher, running])
    teacher_logits = teacher_targets.validation.logits()
    notes: list[str] = []
    if teacher.model.licence != student.licence:
        notes.append(
            f"the teacher's weights are under the licence {teacher.model.licence!r}, the student's folder says "
            f"{student.licence!r} (model.licence): see that it may"
        )
    return TeacherComparison(
        teacher=_scored(teacher, teacher.model.name, rates[0], teacher_logits, labels),
        student=_scored(running, name, rates[1], logits, labels),
        au_names=data.validation.label_names,
        pictures=len(data.validation),
        data={
            "pictures": len(data.train),
            "labelled": int((data.train.labels != MISSING).any(1).sum()),
            "faces_in_videos": teacher_targets.faces,
            "near_duplicates": teacher_targets.duplicates,
        },
        validated_by_teacher=teacher_targets.validated_by_teacher,
        notes=notes,
    )


def write_comparison(report: TeacherComparison, folder: Path) -> Path:
    """Write `distill.json` into a folder.

    Raises:
        DiskFullError, ResultsError: it cannot be written.
    """
    path = folder / REPORT_FILE
    with replacing(path) as part:
        part.write_text(json.dumps(report.as_json(), indent=1, allow_nan=False) + "\n")
    return path


def _scored(runs: ModelRunner, name: str, rate: float, logits: F32, labels: I8) -> ModelScores:
    sizes = [measure_architecture(member.architecture) for member in runs.members]
    known = ~np.isnan(logits).any(0)
    labels = np.where(known, labels, MISSING).astype(np.int8)
    probabilities = sigmoid(np.nan_to_num(logits))
    scores = au_scores(probabilities, labels, best_thresholds(probabilities, labels))
    return ModelScores(
        name=name,
        digest=runs.model.digest,
        parameters=sum(size.parameters for size in sizes),
        flops=sum(size.flops for size in sizes),
        crops_per_s=rate,
        f1=scores.f1_binary,
        auc=scores.auc,
    )


def _side_json(side: ModelScores) -> dict[str, Any]:
    return {
        "name": side.name,
        "digest": side.digest,
        "parameters": side.parameters,
        "flops": side.flops,
        "crops_per_s": round(side.crops_per_s, 1),
    }


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def _shown(value: float, *, share: bool) -> str:
    return UNKNOWN if np.isnan(value) else f"{value:.1%}" if share else f"{value:.3f}"
