"""The description in a model's folder, of one network or of an ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autrt.model.schema import ENSEMBLE_FILE, MODEL_FILE, EnsembleFile, ModelFile, read_json, write_json


def read_description(folder: Path) -> ModelFile | EnsembleFile:
    """Read `ensemble.json` where there is one, else `model.json`."""
    ensemble = folder / ENSEMBLE_FILE
    return (
        read_json(ensemble, EnsembleFile) if ensemble.is_file() else read_json(folder / MODEL_FILE, ModelFile)
    )


def change_description(folder: Path, **changes: Any) -> None:
    """Replace some of its fields."""
    content = read_description(folder).model_dump() | changes
    if (folder / ENSEMBLE_FILE).is_file():
        write_json(folder / ENSEMBLE_FILE, EnsembleFile, **content)
    else:
        write_json(folder / MODEL_FILE, ModelFile, **content)
