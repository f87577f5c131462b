"""How a data set's pictures were cut: alignment template and margin."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from autrt.storage.escape import escape
from autrt.template import TEMPLATES
from autrt_train.types import DataError

CROP_FACTS: Final = "crop.json"
"""Beside the crops that `autrt crop` cut."""
_SAYING_SO: Final = (CROP_FACTS, "synth.json")
"""Files beside pictures that say how these were cut; `autrt synth` writes the second."""


@dataclass(frozen=True, slots=True)
class CropFacts:
    """How a data set's pictures were cut."""

    margin_px: int = 0
    template: str = "arcface-112"


def crop_facts(root: Path, margin_px: int | None = None, template: str | None = None) -> CropFacts:
    """As `crop.json` (or a rendered set's `synth.json`) in `root` says, or as given.

    Without either: crops of 112 pixels by ArcFace's template.

    Raises:
        DataError: the file is no such file, or it contradicts what is given; or the template is unknown.
    """
    file = next((root / name for name in _SAYING_SO if (root / name).is_file()), root / CROP_FACTS)
    known = read_crop_facts(file)
    stated: dict[str, int | str] = {"margin_px": known.margin_px, "template": known.template} if known else {}
    given = {k: v for k, v in (("margin_px", margin_px), ("template", template)) if v is not None}
    for name, value in given.items():
        if stated.get(name, value) != value:
            raise DataError(
                f"{name}: the recipe says {value!r}, {escape(str(file))} says {stated[name]!r}: "
                "leave it out of the recipe, or cut the crops anew with `autrt crop`"
            )
    facts = CropFacts(**cast("dict[str, Any]", stated | given))
    if facts.template not in TEMPLATES:
        raise DataError(f"template: expected one of {', '.join(TEMPLATES)}, found {facts.template!r}")
    return facts


def read_crop_facts(file: Path) -> CropFacts | None:
    """What a `crop.json` says; None where there is none.

    Raises:
        DataError: it is something else.
    """
    if not file.is_file():
        return None
    try:
        values = json.loads(file.read_bytes())
        return CropFacts(int(values["margin_px"]), str(values["template"]))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(
            f"{escape(str(file))}: expected the facts that `autrt crop` writes: {error!r}"
        ) from error
