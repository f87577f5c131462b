"""Calibration of probabilities written into a network: each AU's scale and shift change its last layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from autrt.errors import UsageError
from autrt.model.export import load_network, save_model
from autrt.model.folder import Model, load_model
from autrt.model.schema import MODEL_FILE, ModelFile, read_json
from autrt.model.temporal_folder import require_no_temporal
from autrt.storage.escape import escape
from autrt_train.evaluate.calibrate import Calibration
from autrt_train.finetune.features import au_layer

NOTE: Final = "probabilities"
"""Key in a model's `training` that records the calibration."""


def fold_in(folder: Path, calibration: Calibration, data: str) -> Model:
    """Fold the calibration's map of logits into the network of a folder, atomically.

    Thresholds are mapped too, so that decisions stay the same, also smoothed ones: a mean of mapped logits is the
    mapped mean. The network's digest changes, so results must be computed anew.

    Args:
        folder: a model of one network that smooths logits.
        calibration: gives the map of each of its AUs.
        data: description of the data it was fitted on.

    Raises:
        UsageError: the model is an ensemble, smooths probabilities, has a temporal network, or has no last layer
            with its AUs' logits.
        DiskFullError, ResultsError: the folder cannot be written.
    """
    model = load_model(folder)
    if len(model.members) != 1 or model.smoothing_domain != "logit":
        found = (
            "probabilities" if len(model.members) == 1 else f"an ensemble of {len(model.members)} networks"
        )
        raise UsageError(
            f"{escape(str(folder))}: expected a model of one network that smooths logits, found {found}: write its "
            "thresholds alone (leave --probabilities out), or distil it first (`autrt distill`)"
        )
    require_no_temporal(model, "--probabilities changes")
    scale, shift = np.ones(len(model.au_names)), np.zeros(len(model.au_names))
    at = [model.au_names.index(au) for au in calibration.au_names]
    scale[at], shift[at] = calibration.logit_map.scale, calibration.logit_map.shift
    network = load_network(model.members[0])
    layer = au_layer(network)
    with torch.no_grad():
        layer.bias.copy_(layer.bias.double() * torch.from_numpy(scale) + torch.from_numpy(shift))
        layer.weight.copy_(layer.weight.double() * torch.from_numpy(scale)[:, None])
    file = read_json(folder / MODEL_FILE, ModelFile)
    note = {"data": data, "error": _errors(calibration), "from_network": model.network_digests[0]}
    with np.load(model.members[0].reference, allow_pickle=False) as reference:
        crops = reference["pixels"]
    return save_model(
        folder,
        network,
        crops=crops,
        licence=file.licence,
        thresholds=_map_thresholds(np.array(file.thresholds), scale, shift),
        smoothing_windows=file.smoothing_windows,
        metrics=file.metrics,
        grades=file.grades,
        training={**file.training, NOTE: note},
        overwrite=True,
    )


def _map_thresholds(thresholds: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> list[float]:
    """Return thresholds that decide about mapped logits as the old ones do about the old."""
    inside = np.clip(thresholds, 1e-6, 1 - 1e-6)
    logit = np.log(inside / (1 - inside)) * scale + shift
    return [round(float(threshold), 6) for threshold in 1 / (1 + np.exp(-logit))]


def _errors(calibration: Calibration) -> dict[str, Any]:
    """Return the mean held-out expected calibration errors."""
    return {when: round(float(found.value[-1]), 4) for when, found in calibration.errors.items()}
