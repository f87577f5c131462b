"""Changes to the description in a model's folder, of one network or of an ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autrt.model.schema import description_path, read_description, write_json


def change_description(folder: Path, **changes: Any) -> None:
    """Replace some of its fields."""
    file = read_description(folder)
    write_json(description_path(folder), type(file), **file.model_dump() | changes)
