"""Columns of exported tables, named alike in CSV, Parquet and data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from autrt.errors import UsageError
from autrt.results.schema import COLUMNS, EVERY_MODEL, FEATURES, OF_FRAMES, OF_TRACKS, QUALITY, Column
from autrt.storage.escape import escape

OF_FACES: Final = {
    c.name: c for c in COLUMNS if c.table == "faces" and c.name in EVERY_MODEL - {"frame", "track"}
}
"""Columns of `/faces` that a table of any model's results can hold, by name."""

ALL_GROUPS: Final = tuple(name for name in OF_FACES if name != "member_logit")
"""Default columns of Parquet files and data frames."""

CSV_GROUPS: Final = ("score", "box", "smoothed", "active")
"""Default columns of CSV files."""

OF_QUALITY: Final = {c.name: replace(c, dtype="float32") for c in QUALITY}
"""Columns of the faces' quality, which older results lack; as float32, since many tools know no float16."""

POSE: Final = Column(
    "faces",
    "pose",
    "float32",
    "deg",
    "yaw, pitch, roll of the head from the landmarks: positive to the left of the picture, down, clockwise",
    (3,),
)
"""Head pose, which is computed from the landmarks where it is asked for; see `face.pose`."""

LANDMARKS: Final = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""Left and right as seen in the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """One column of a table."""

    name: str
    group: str
    """The column of `/faces`, `/frames` or `/tracks` that it is taken from; for key columns their own name."""
    dtype: str
    """A NumPy dtype's name, or `text`."""
    unit: str
    description: str
    au: str = ""
    """The Action Unit it belongs to, or empty."""


VIDEO: Final = TableColumn(
    name="video",
    group="video",
    dtype="text",
    unit="path",
    description="the video relative to its input folder; see 'Names'",
)
FRAME: Final = TableColumn(
    name="frame",
    group="frame",
    dtype="int64",
    unit="frames",
    description="index of the frame, from 0; for an image folder the file's number − 1",
)
TIME: Final = TableColumn(
    name="time_s",
    group="time_s",
    dtype="float64",
    unit="s",
    description="presentation time from the video's start",
)
TRACK: Final = TableColumn(
    name="track",
    group="track",
    dtype="int32",
    unit="track id",
    description="one face through one shot; from 0 in each video",
)

PICTURE: Final = TableColumn(
    name="picture",
    group="picture",
    dtype="text",
    unit="name",
    description="file of the picture in its folder; empty for what is no folder of stills",
)

KEYS: Final = (VIDEO, FRAME, TIME, TRACK)
"""First columns of every table; those of folders of stills have `PICTURE`, too."""


def is_of_frame(column: TableColumn) -> bool:
    """Return whether a column has a value in rows without a face, too."""
    return column.group in OF_FRAMES or (column in KEYS and column != TRACK)


def table_columns(
    au_names: Sequence[str],
    member_names: Sequence[str],
    wanted: str | Sequence[str] | None,
    extra: Mapping[str, Column] | None = None,
    *,
    stills: bool = False,
) -> tuple[TableColumn, ...]:
    """Return the key columns, then the `wanted` ones in their order.

    A column of `/faces` stands for all of its values (`box` for box_x0, box_y0, box_x1, box_y1; `landmarks` for
    left_eye_x, …; `smoothed` for AU1_smoothed, …; `member_logit` for NAME_AU1_member_logit, …; a further output
    of shape (2,) for NAME_0 and NAME_1), each of which may also be named alone. `damaged` is that of `/frames`,
    `person` that of `/tracks`, and `pose` stands for pose_yaw, pose_pitch and pose_roll.

    Args:
        au_names: of all results in the table.
        member_names: of all results in the table.
        wanted: names, or one name; `ALL_GROUPS` and the further outputs but the features where it is None.
        stills: whether some of the results are of a folder of stills.
        extra: columns for further outputs that some of the results have; see `extra_columns.extra_columns`.

    Raises:
        UsageError: there is no such column.
    """
    groups = {**OF_FACES, **(extra or {}), **OF_QUALITY, POSE.name: POSE, **OF_FRAMES, **OF_TRACKS}
    if wanted is None:
        wanted = [*ALL_GROUPS, *(name for name in extra or {} if name != FEATURES.name)]
    elif isinstance(wanted, str):
        wanted = [wanted]
    every = [column for group in groups.values() for column in expand_group(group, au_names, member_names)]
    chosen: dict[str, TableColumn] = {}
    for name in wanted:
        found = {c.name: c for c in every if name in (c.group, c.name)}
        if not found and name not in groups and au_names:  # without results no AU is known
            raise UsageError(
                f"no column {name!r}: expected {', '.join(groups)}, or one of their columns such as "
                f"{'AU12_active' if 'AU12' in au_names else every[-1].name}{_asked_for(name)}"
            )
        chosen |= {n: c for n, c in found.items() if n not in chosen}
    named = chosen.pop(PICTURE.name, None)
    keys = (VIDEO, PICTURE, *KEYS[1:]) if stills or named else KEYS
    return (*keys, *chosen.values())


def _asked_for(name: str) -> str:
    if not name.startswith(FEATURES.name):
        return ""
    return f"; {FEATURES.name} are only in results of `autrt infer --features`"


def expand_group(column: Column, au_names: Sequence[str], member_names: Sequence[str]) -> list[TableColumn]:
    """Return one table column for each value in a row of a column of `/faces`, row-major; names are escaped."""
    group = column.name
    one = TableColumn(
        name=group, group=group, dtype=column.dtype, unit=column.unit, description=column.description
    )
    match column.tail:
        case ("A",):
            return [replace(one, name=f"{escape(au)}_{group}", au=au) for au in au_names]
        case ("M", "A"):
            names = [(escape(member), au) for member in member_names for au in au_names]
            return [replace(one, name=f"{member}_{escape(au)}_{group}", au=au) for member, au in names]
        case (3,) if group == POSE.name:
            return [replace(one, name=f"{group}_{angle}") for angle in ("yaw", "pitch", "roll")]
        case (4,):
            return [replace(one, name=f"{group}_{corner}") for corner in ("x0", "y0", "x1", "y1")]
        case (5, 2):
            return [replace(one, name=f"{point}_{axis}") for point in LANDMARKS for axis in "xy"]
        case ():
            return [one]
        case tail:
            sizes = [n for n in tail if isinstance(n, int)]
            return [replace(one, name="_".join(map(str, (group, *at)))) for at in np.ndindex(*sizes)]
