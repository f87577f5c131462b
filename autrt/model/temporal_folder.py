"""Write a model folder with a temporal network: a copy of another model's folder, with one file more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch

from autrt.errors import UsageError
from autrt.model.digest import file_digest
from autrt.model.folder import MEMBERS_FOLDER, TEMPORAL_FILE, Model, load_model
from autrt.model.onnx_graph import OPSET, quiet_exporter, save_checked
from autrt.model.schema import MODEL_FILE, Metric, description_path, read_description, write_json
from autrt.model.temporal import TemporalNetwork
from autrt.storage.atomic_folder import copy_files, new_folder


def save_with_temporal(
    folder: Path,
    start: Model,
    network: TemporalNetwork,
    *,
    tile_ticks: int,
    thresholds: Mapping[str, float],
    metrics: Sequence[Metric] = (),
    training: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Model:
    """Write a copy of a model with a temporal network in place of its smoothing windows, atomically.

    Args:
        folder: path of the new folder; its parent is made.
        start: the model, which has none.
        network: keeps its mode.
        tile_ticks: ticks whose outputs one run of the network gives (`autrt.postprocess.temporal.TILE_TICKS`).
        thresholds: AU → its new threshold; others keep their threshold and grade.
        metrics: measurements of the model, which replace the start's: these were of other decisions.
        training: provenance, as JSON values.
        overwrite: replace a folder that exists.

    Raises:
        UsageError: the folder exists, or the start is damaged or has a temporal network already.
        EngineError: the network cannot be exported.
    """
    require_no_temporal(start, "a temporal network is trained for")
    start.verify()
    config = network.config
    with new_folder(folder, overwrite=overwrite) as scratch:
        _copy_networks(start, scratch)
        _export(network, scratch / TEMPORAL_FILE, tile_ticks + 2 * config.reach_ticks)
        changes = {
            "smoothing_windows": [1] * len(config.au_names),
            "smoothing_domain": "logit",
            "metrics": list(metrics),
            "temporal": {
                "file": {
                    "size_bytes": (scratch / TEMPORAL_FILE).stat().st_size,
                    "sha256": file_digest(scratch / TEMPORAL_FILE),
                },
                "architecture": asdict(config),
                "features": config.features,
                "reach_ticks": config.reach_ticks,
                "training": dict(training or {}),
            },
        }
        _write(start.path, scratch, thresholds, changes)
        load_model(scratch)
    return load_model(folder)


def require_no_temporal(model: Model, what: str) -> None:
    """Refuse a model with a temporal network.

    Args:
        model: to be examined.
        what: the beginning of the sentence that ends "a model without one".

    Raises:
        UsageError: it has one.
    """
    if model.temporal is not None:
        raise UsageError(
            f"model {model.name!r} has a temporal network, but {what} a model without one: name the model that it "
            "was made from"
        )


def _write(source: Path, folder: Path, thresholds: Mapping[str, float], changes: Mapping[str, Any]) -> None:
    """Write `model.json` or `ensemble.json` as it is in `source`, with new thresholds and other changes."""
    file = read_description(source)
    own = zip(file.au_names, file.thresholds, strict=True)
    content = {
        **file.model_dump(exclude={"schema_"}),
        "schema": f"{file.schema_.partition('/')[0]}/2",
        "thresholds": [thresholds.get(au, threshold) for au, threshold in own],
        # A grade rests on decisions at the old threshold.
        "grades": {au: grade for au, grade in file.grades.items() if au not in thresholds},
        **changes,
    }
    write_json(folder / description_path(source).name, type(file), **content)


def _copy_networks(start: Model, folder: Path) -> None:
    """Copy the files of every member, and an ensemble's members with their `model.json`."""
    if description_path(start.path).name == MODEL_FILE:
        folder.rmdir()
        copy_files(start.path, folder, tuple(start.members[0].files))
        return
    for member in start.members:
        copy_files(member.path, folder / MEMBERS_FOLDER / member.name, (MODEL_FILE, *member.files))


def _export(network: TemporalNetwork, path: Path, ticks: int) -> None:
    """Write the network as an ONNX file for one row of so many ticks."""
    was_training, n_inputs = network.training, len(network.config.au_names) + network.config.features
    example = (torch.zeros(1, ticks, n_inputs), torch.ones(1, ticks))
    try:
        with quiet_exporter():
            program = torch.onnx.export(
                network.eval().cpu(),
                example,
                input_names=["inputs", "known"],
                output_names=["logits"],
                opset_version=OPSET,
                external_data=False,
                dynamo=True,
                verbose=False,
            )
    finally:
        network.train(was_training)
    save_checked(cast("Any", program).model_proto, path)
