"""Geometry of a data set's crops: alignment template and margin."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from autrt.storage.escape import escape
from autrt.template import TEMPLATES
from autrt_train.types import DataError

CROP_JSON: Final = "crop.json"
"""File that `autrt crop` writes beside the crops."""
_GEOMETRY_FILES: Final = (CROP_JSON, "synth.json")
"""Files beside pictures that state their geometry; `autrt synth` writes the second."""


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """Alignment template and margin of a data set's crops."""

    margin_px: int = 0
    template: str = "arcface-112"


def crop_geometry(root: Path, margin_px: int | None = None, template: str | None = None) -> CropGeometry:
    """Return the geometry that `crop.json` (or a rendered set's `synth.json`) in `root` or the arguments state.

    Without either: crops of 112 pixels by ArcFace's template.

    Raises:
        DataError: the file is invalid or contradicts the arguments, or the template is unknown.
    """
    file = next((root / name for name in _GEOMETRY_FILES if (root / name).is_file()), root / CROP_JSON)
    known = read_crop_json(file)
    stated: dict[str, int | str] = {"margin_px": known.margin_px, "template": known.template} if known else {}
    given = {k: v for k, v in (("margin_px", margin_px), ("template", template)) if v is not None}
    for name, value in given.items():
        if stated.get(name, value) != value:
            raise DataError(
                f"{name}: the recipe says {value!r}, {escape(str(file))} says {stated[name]!r}: "
                "leave it out of the recipe, or cut the crops anew with `autrt crop`"
            )
    facts = CropGeometry(**cast("dict[str, Any]", stated | given))
    if facts.template not in TEMPLATES:
        raise DataError(f"template: expected one of {', '.join(TEMPLATES)}, found {facts.template!r}")
    return facts


def read_crop_json(file: Path) -> CropGeometry | None:
    """Return the geometry in a `crop.json`, or None if the file does not exist.

    Raises:
        DataError: the file is invalid.
    """
    if not file.is_file():
        return None
    try:
        values = json.loads(file.read_bytes())
        return CropGeometry(int(values["margin_px"]), str(values["template"]))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(
            f"{escape(str(file))}: expected the facts that `autrt crop` writes: {error!r}"
        ) from error
