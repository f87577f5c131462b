"""Tools whose tables are read: their recognition by columns, and the columns of each AU."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from autrt_train.annotations.columns import au_name

_INTENSITY: Final = re.compile(r"(au\d\d)_r", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Layout of a tool's tables."""

    name: str
    mean: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """AU → columns, in lower case, whose mean is its value; further ones are found by `suffix`."""
    suffix: str | None = None
    """Text after the AU's name in a column: `_r` of `AU01_r`; None: there are no such columns."""
    default: tuple[str, ...] | None = None
    """AUs with soft targets if the settings name none; None: all in the table."""
    first_frame: int = 0
    """Number of a video's first frame."""

    def columns(self, there: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return AU → columns, of the columns `there`."""
        found = {au: some for au, some in self.mean.items() if all(column in there for column in some)}
        if self.suffix is not None:
            ends = [column for column in there if column.endswith(self.suffix)]
            named = {column: au_name(column.removesuffix(self.suffix)) for column in ends}
            found |= {au: (column,) for column, au in named.items() if au is not None}
        return found


def _both(stem: str) -> tuple[str, str]:
    return f"{stem}left", f"{stem}right"


MEDIAPIPE: Final = Tool(
    name="mediapipe",
    mean={
        "AU1": ("browinnerup",),
        "AU2": _both("browouterup"),
        "AU4": _both("browdown"),
        "AU6": _both("cheeksquint"),
        "AU7": _both("eyesquint"),
        "AU10": _both("mouthupperup"),
        "AU12": _both("mouthsmile"),
        "AU15": _both("mouthfrown"),
        "AU24": _both("mouthpress"),
        "AU26": ("jawopen",),
    },
    # Measured on coded faces; docs/distillation.md says why the others are left out.
    default=("AU1", "AU2", "AU12", "AU26"),
)
OPENFACE: Final = Tool(
    name="openface",
    suffix="_r",
    # AU10 was hardly better than chance on coded faces; for AU23 there were too few.
    default=("AU1", "AU2", "AU4", "AU6", "AU7", "AU12", "AU15", "AU25", "AU26"),
    first_frame=1,
)
PY_FEAT: Final = Tool(name="py-feat", suffix="")
TABLE: Final = Tool(name="table", suffix="")
AUTRT: Final = "autrt"
"""Name of `autrt infer`, whose results are no tables."""

TOOLS: Final = {tool.name: tool for tool in (MEDIAPIPE, OPENFACE, PY_FEAT, TABLE)}

_PY_FEAT_COLUMNS: Final = {"facescore", "facerectx", "input", "approx_time", "facerectwidth"}


def detect_tool(columns: Collection[str]) -> Tool | None:
    """Return the tool of a table with these lower-case columns; None if no column is an AU or a blendshape."""
    if {"browinnerup", "jawopen"} <= set(columns):
        return MEDIAPIPE
    if any(_INTENSITY.fullmatch(column) for column in columns):
        return OPENFACE
    if not any(au_name(column) for column in columns):
        return None
    return PY_FEAT if _PY_FEAT_COLUMNS & set(columns) else TABLE
