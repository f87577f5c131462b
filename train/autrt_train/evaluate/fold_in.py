"""Calibrated probabilities written into a network: each AU's scale and shift become part of its last layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from autrt.errors import UsageError
from autrt.model.export import load_network, save_model
from autrt.model.folder import Model, load_model
from autrt.model.schema import MODEL_FILE, ModelFile, read_json
from autrt.results.names import escape
from autrt_train.evaluate.calibrate import Calibration
from autrt_train.finetune.features import au_layer

NOTE: Final = "probabilities"
"""The key under which a model's `training` says what was folded in."""


def fold_in(folder: Path, calibration: Calibration, data: str) -> Model:
    """Fold the calibration's map of logits into the network of a folder, whole or not at all.

    Thresholds are moved along, so that decisions stay: an affine map passes through a mean of logits. The network's
    digest changes, so its results must be computed anew.

    Args:
        folder: of a model of one network that smooths logits.
        calibration: whose probabilities of its AUs are to be calibrated.
        data: what it was found on, for whoever reads the file.

    Raises:
        UsageError: it is an ensemble, smooths probabilities, or has no last layer that gives its AUs' logits.
        DiskFullError, ResultsError: it cannot be written.
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
        thresholds=_moved(np.array(file.thresholds), scale, shift),
        smoothing_windows=file.smoothing_windows,
        metrics=file.metrics,
        grades=file.grades,
        training={**file.training, NOTE: note},
        overwrite=True,
    )


def _moved(thresholds: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> list[float]:
    """The thresholds that decide about mapped logits as the old ones do about the old."""
    inside = np.clip(thresholds, 1e-6, 1 - 1e-6)
    logit = np.log(inside / (1 - inside)) * scale + shift
    return [round(float(threshold), 6) for threshold in 1 / (1 + np.exp(-logit))]


def _errors(calibration: Calibration) -> dict[str, Any]:
    """The mean expected calibration error, held out."""
    return {when: round(float(found.value[-1]), 4) for when, found in calibration.errors.items()}
