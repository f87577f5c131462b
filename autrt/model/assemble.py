"""Join model folders into an ensemble's folder, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt.errors import UsageError
from autrt.model.folder import MEMBERS_FOLDER, Member, Model, load_model
from autrt.model.schema import ENSEMBLE_FILE, MODEL_FILE, AUGrade, Domain, EnsembleFile, Metric, write_json
from autrt.storage.atomic_folder import copy_files, new_folder
from autrt.types import F32

WEIGHT_DIGITS: Final = 6
"""Decimals that weights are rounded to, so that 0.3 is written and not the float32 nearest to it."""


def save_ensemble(
    folder: Path,
    members: Sequence[Model],
    weights: F32,
    *,
    thresholds: Sequence[float],
    smoothing_windows: Sequence[int],
    smoothing_domain: Domain = "logit",
    metrics: Sequence[Metric] = (),
    grades: Mapping[str, AUGrade] | None = None,
    notes: Mapping[str, Any] | None = None,
    licence: str | None = None,
    overwrite: bool = False,
) -> Model:
    """Write an ensemble's folder with copies of its members, atomically.

    Args:
        folder: path of the new folder; its parent is made.
        members: models of one network each, with different names and the same AUs.
        weights: float32 (M, A), not negative; the sum of each column is above 0.
        thresholds: probability from which each AU is active.
        smoothing_windows: one for each AU, in frames at 30 frames/s.
        smoothing_domain: average logits or probabilities.
        metrics: measurements of the ensemble.
        grades: AU name → grade; AUs that are left out are ungraded.
        notes: provenance of the ensemble, as JSON values.
        licence: licence of the weights; by default those that the members state.
        overwrite: replace a folder that exists.

    Returns:
        The ensemble, loaded from the folder.

    Raises:
        UsageError: the folder exists, a member is damaged, or members and weights do not fit together.
    """
    parts = [_only_member(model) for model in members]
    if not parts:
        raise UsageError("an ensemble needs at least one member")
    with new_folder(folder, overwrite=overwrite) as scratch:
        write_json(
            scratch / ENSEMBLE_FILE,
            EnsembleFile,
            members=[part.name for part in parts],
            weights=np.asarray(weights, np.float64).round(WEIGHT_DIGITS).tolist(),
            au_names=parts[0].au_names,
            thresholds=list(thresholds),
            smoothing_windows=list(smoothing_windows),
            smoothing_domain=smoothing_domain,
            metrics=list(metrics),
            grades=dict(grades or {}),
            notes=dict(notes or {}),
            licence=licence or "; ".join(dict.fromkeys(model.licence for model in members)),
        )
        for part in parts:
            part.verify()
            copy_files(part.path, scratch / MEMBERS_FOLDER / part.name, (MODEL_FILE, *part.files))
        load_model(scratch)
    return load_model(folder)


def _only_member(model: Model) -> Member:
    if len(model.members) != 1:
        raise UsageError(
            f"{model.path}: expected a model of one network, found an ensemble of {len(model.members)}; "
            f"name its members' folders instead"
        )
    return model.members[0]
