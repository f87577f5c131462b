"""Write a torch network as a model folder; `autrt.model.load` reads it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file
from torch import nn

from autrt.aus import authors_windows
from autrt.errors import UsageError
from autrt.model.architectures import architecture_of
from autrt.model.digest import file_digest
from autrt.model.folder import GRAPH_FILE, REFERENCE_FILE, WEIGHTS_FILE, Model, load_model
from autrt.model.load import load_network, reference_outputs
from autrt.model.onnx_graph import export_onnx
from autrt.model.schema import MODEL_FILE, AUGrade, Domain, Metric, ModelFile, write_json
from autrt.storage.atomic_folder import new_folder
from autrt.types import CROP_SIZE_PX, F32, U8

__all__ = ["export_onnx", "load_network", "reference_outputs", "save_model"]


def save_model(
    folder: Path,
    network: nn.Module,
    *,
    crops: U8,
    licence: str,
    thresholds: Sequence[float] | None = None,
    smoothing_windows: Sequence[int] | None = None,
    smoothing_domain: Domain = "logit",
    metrics: Sequence[Metric] = (),
    grades: Mapping[str, AUGrade] | None = None,
    training: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Model:
    """Write a network's model folder, atomically.

    Args:
        folder: path of the new folder; its parent is made.
        network: a network of `autrt.model.architectures`; keeps its mode and device.
        crops: uint8 (n, 112, 112, 3) RGB aligned crops that may be distributed: the reference crops that engines
            are checked with where torch is not installed; usually 64.
        licence: licence of the weights.
        thresholds: probability from which each AU is active; 0.5 by default.
        smoothing_windows: one for each AU, in frames at 30 frames/s; by default those of the paper's authors.
        smoothing_domain: average logits or probabilities.
        metrics: measurements of the model.
        grades: AU name → grade; AUs that are left out are ungraded.
        training: provenance, as JSON values.
        overwrite: replace a folder that exists.

    Returns:
        The model, loaded from the folder.

    Raises:
        UsageError: the folder exists, the network is of no known architecture or its outputs are not finite, or an
            argument does not fit.
    """
    _check_crops(crops)
    architecture = architecture_of(network)
    au_names = tuple(architecture["au_names"])
    outputs = _finite(reference_outputs(network, crops))
    with new_folder(folder, overwrite=overwrite) as scratch:
        _write_network(scratch, network, crops, outputs)
        write_json(
            scratch / MODEL_FILE,
            ModelFile,
            architecture=architecture,
            au_names=au_names,
            outputs={name: value.shape[1:] for name, value in outputs.items()},
            thresholds=list(thresholds) if thresholds is not None else [0.5] * len(au_names),
            smoothing_windows=list(smoothing_windows or authors_windows(au_names)),
            smoothing_domain=smoothing_domain,
            metrics=list(metrics),
            grades=dict(grades or {}),
            training=dict(training or {}),
            licence=licence,
            files={
                "weights": _facts(scratch / WEIGHTS_FILE),
                "graph": _facts(scratch / GRAPH_FILE),
                "reference": _facts(scratch / REFERENCE_FILE),
            },
        )
    return load_model(folder)


def _check_crops(crops: U8) -> None:
    shape = (CROP_SIZE_PX, CROP_SIZE_PX, 3)
    if crops.dtype != np.uint8 or crops.shape[1:] != shape or len(crops) == 0:
        raise UsageError(
            f"reference crops: expected uint8 of shape n×112×112×3, found {crops.dtype} of shape "
            f"{'×'.join(map(str, crops.shape))}"
        )


def _finite(outputs: dict[str, F32]) -> dict[str, F32]:
    for name, value in outputs.items():
        if not np.isfinite(value).all():
            raise UsageError(f"the network's {name} for the reference crops are not all finite numbers")
    return outputs


def _write_network(folder: Path, network: nn.Module, crops: U8, outputs: dict[str, F32]) -> None:
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    save_file(state, folder / WEIGHTS_FILE)
    export_onnx(network, folder / GRAPH_FILE)
    # safetensors makes its file readable by its owner only.
    (folder / WEIGHTS_FILE).chmod((folder / GRAPH_FILE).stat().st_mode)
    arrays: dict[str, Any] = {"pixels": crops, **outputs}
    np.savez_compressed(folder / REFERENCE_FILE, **arrays)


def _facts(path: Path) -> dict[str, Any]:
    return {"size_bytes": path.stat().st_size, "sha256": file_digest(path)}
