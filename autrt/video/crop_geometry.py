"""Geometry of aligned crops: their template and the margin around them, as the `crop.json` beside them says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autrt.errors import UsageError
from autrt.storage.escape import escape
from autrt.types import CROP_SIZE_PX

CROP_JSON: Final = "crop.json"
"""File that `autrt crop` writes beside the crops."""

_LEVELS_UP: Final = 8
"""Folders above a crop in which its `crop.json` is looked for."""


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """Alignment template and margin of a data set's crops."""

    margin_px: int = 0
    template: str = "arcface-112"

    @property
    def side_px(self) -> int:
        """Side of a picture: the crop, and the margin on either side."""
        return CROP_SIZE_PX + 2 * self.margin_px


def read_crop_json(file: Path) -> CropGeometry | None:
    """Return the geometry in a `crop.json`, or None if the file does not exist.

    Raises:
        UsageError: the file is invalid.
    """
    if not file.is_file():
        return None
    try:
        values = json.loads(file.read_bytes())
        return CropGeometry(int(values["margin_px"]), str(values["template"]))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UsageError(
            f"{escape(str(file))}: expected the facts that `autrt crop` writes: {error!r}"
        ) from error


def stated_geometry(path: Path) -> CropGeometry | None:
    """Return what the nearest `crop.json` above a crop, or a folder of crops, states; None where there is none.

    Raises:
        UsageError: the file is invalid.
    """
    folders = path.absolute().parents[:_LEVELS_UP]
    return next((found for folder in folders if (found := read_crop_json(folder / CROP_JSON))), None)
