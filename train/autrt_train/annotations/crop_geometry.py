"""Geometry of a data set's crops: alignment template and margin."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

from autrt.errors import UsageError
from autrt.storage.escape import escape
from autrt.template import TEMPLATES
from autrt.video.crop_geometry import CROP_JSON, CropGeometry, read_crop_json
from autrt_train.types import DataError

_GEOMETRY_FILES: Final = (CROP_JSON, "synth.json")
"""Files beside pictures that state their geometry; `autrt synth` writes the second."""


def crop_geometry(root: Path, margin_px: int | None = None, template: str | None = None) -> CropGeometry:
    """Return the geometry that `crop.json` (or a rendered set's `synth.json`) in `root` or the arguments state.

    Without either: crops of 112 pixels by ArcFace's template.

    Raises:
        DataError: the file is invalid or contradicts the arguments, or the template is unknown.
    """
    file = next((root / name for name in _GEOMETRY_FILES if (root / name).is_file()), root / CROP_JSON)
    try:
        known = read_crop_json(file)
    except UsageError as error:
        raise DataError(str(error)) from error
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
