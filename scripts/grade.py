"""Grade a model's AUs by figures on coded real faces: `python scripts/grade.py MODEL FIGURES.json …`.

Each FIGURES file holds what the model reached on one set of faces of people outside its training:

    {"data_set": "402 pictures of 174 people, coded by …", "short": "402 pictures of 174 people",
     "auc": {"AU1": 0.89, …}, "f1_binary": {"AU1": 0.58, …},
     "positives": {"AU1": 116, …}, "negatives": {"AU1": 238, …}}

`positives` and `negatives` may be left out where they are not known; a grade needs at least one set that has them.
By the rule of docs/models.md an AU gets the worst grade of its sets. Grades and their evidence are written into the
folder's model.json or ensemble.json, and the figures among its metrics; whatever grades it had are replaced.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from model_description import change_description

from autrt.grades import MIN_POSITIVES, Grade, grade_of, worst
from autrt.model.folder import load_model
from autrt.model.schema import AUGrade, Metric, read_description

METRICS = ("auc", "f1_binary", "positives", "negatives")


def grade_model(folder: Path, sets: list[dict[str, Any]]) -> None:
    """Write grades and the figures that they rest on into a model's folder."""
    file = read_description(folder)
    data_sets = {figures["data_set"] for figures in sets}
    metrics = [metric for metric in file.metrics if metric.data_set not in data_sets]
    metrics += [metric_of(figures, name) for figures in sets for name in METRICS if figures.get(name)]
    grades = {au: graded(au, sets) for au in file.au_names}
    change_description(folder, metrics=metrics, grades=grades)
    for au, grade in load_model(folder).grades.items():
        print(f"{au:5} {grade.grade:12} {grade.evidence}")


def graded(au: str, sets: list[dict[str, Any]]) -> AUGrade:
    """Return one AU's grade and its reason."""
    assessed = [figures for figures in sets if au in figures["auc"]]
    counted = [figures["positives"][au] for figures in assessed if au in figures.get("positives", {})]
    grades: list[Grade] = [
        grade_of(
            figures["auc"][au], figures["f1_binary"][au], figures.get("positives", {}).get(au, MIN_POSITIVES)
        )
        for figures in assessed
    ]
    grade = worst(grades) if counted else "experimental"
    return AUGrade(grade=grade, evidence="; ".join(sentence(au, figures) for figures in sets) + ".")


def sentence(au: str, figures: dict[str, Any]) -> str:
    """Return a sentence about one AU's figures on one set."""
    if au not in figures["auc"]:
        return f"not judged on {figures['short']}: its codes are too few or too unsure"
    count = f" ({figures['positives'][au]} with)" if au in figures.get("positives", {}) else ""
    return f"AUC {figures['auc'][au]:.2f}, F1 {figures['f1_binary'][au]:.2f} on {figures['short']}{count}"


def metric_of(figures: dict[str, Any], name: str) -> Metric:
    """Return one metric of a set: the mean of scores, or the sum of counts."""
    per_au: dict[str, float] = figures[name]
    total = sum(per_au.values())
    value = total if name in ("positives", "negatives") else round(total / len(per_au), 3)
    return Metric(name=name, data_set=figures["data_set"], value=value, per_au=per_au)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("figures", nargs="+", type=Path)
    given = parser.parse_args()
    grade_model(given.model, [json.loads(path.read_text()) for path in given.figures])
