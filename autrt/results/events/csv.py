"""Events as CSV: a row for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from autrt.results.events.find import AUEvent, VideoEvents
from autrt.results.tables.columns import TRACK, VIDEO, TableColumn
from autrt.results.tables.csv import csv_line
from autrt.results.tables.csv_metadata import write_metadata
from autrt.results.tables.layout import TableLayout
from autrt.storage.atomic_file import replacing

EVENTS_SCHEMA: Final = "autrt-events/1"


def _column(name: str, dtype: str, unit: str, description: str) -> TableColumn:
    return TableColumn(name=name, group=name, dtype=dtype, unit=unit, description=description)


COLUMNS: Final = (
    VIDEO,
    TRACK,
    _column("au", "text", "Action Unit", "the Action Unit"),
    _column("grade", "text", "grade", "how far the model can be trusted about it"),
    _column("onset_s", "float64", "s", "time of the first frame, from the video's start"),
    _column("apex_s", "float64", "s", "time of the first frame with the highest smoothed probability"),
    _column("offset_s", "float64", "s", "end of the last frame"),
    _column("duration_s", "float64", "s", "offset_s − onset_s"),
    _column("peak", "float32", "1", "maximum of the smoothed probability"),
    _column("mean", "float32", "1", "mean of the smoothed probability over the frames"),
    _column("onset_frame", "int64", "frames", "index of the first frame"),
    _column("apex_frame", "int64", "frames", "index of the frame at apex_s"),
    _column("offset_frame", "int64", "frames", "index of the last frame"),
)


def write_events_csv(videos: Sequence[VideoEvents], target: Path) -> None:
    """Write one CSV file, and beside it `<target>-metadata.json` with the columns' meanings and the rule.

    Raises:
        DiskFullError: the disk is full.
        ResultsError: a file cannot be written.
    """
    with replacing(target) as part, part.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_line([column.name for column in COLUMNS]))
        for video in videos:
            file.writelines(csv_line(_cells(video.video, event)) for event in video.events)
    metadata = {
        "table": EVENTS_SCHEMA,
        "videos": [{"video": v.video, "model": v.model, **v.parameters()} for v in videos],
        "models": [],
    }
    write_metadata(
        TableLayout(columns=COLUMNS, faces_only=True, gaps=False, metadata=metadata), COLUMNS, target
    )


def _cells(video: str, event: AUEvent) -> list[str]:
    values = {"video": video, **asdict(event)}
    cells = [values[column.name] for column in COLUMNS]
    return [f"{cell:.6f}" if isinstance(cell, float) else str(cell) for cell in cells]
