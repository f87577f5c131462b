"""Reader of label files of any format, detected by content."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autrt.errors import UsageError
from autrt.storage.escape import escape
from autrt_train.annotations.annotation_table import Table, read_csv, read_table
from autrt_train.labels import boris, elan, openface, table
from autrt_train.labels.coding import Coding, concatenate
from autrt_train.labels.export_table import find_header
from autrt_train.types import DataError

HEAD_BYTES: Final = 65_536
SUFFIXES: Final = (".csv", ".tsv", ".txt", ".parquet", ".eaf", ".boris")
"""Suffixes of the files that are read in a folder."""


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """Settings for reading label files."""

    format: str | None = None
    """One of `FORMATS`; None: detected by content."""
    every_s: float = 0.2
    """Seconds between the moments that are sampled within a span or interval."""
    first_frame: int = 0
    """Number of a video's first frame in plain tables."""


def _opened(path: Path) -> Table:
    return read_table(path) if path.suffix.lower() == ".parquet" else read_csv(path)


FORMATS: Final[dict[str, Callable[[Path, LabelSettings], Coding]]] = {
    "table": lambda path, how: table.read(_with_aus(_opened(path)), how.every_s, how.first_frame),
    "openface": lambda path, _: openface.read(_as_openface(_opened(path))),
    "elan": lambda path, how: elan.read(path, how.every_s),
    "boris": lambda path, how: boris.read_export(path, how.every_s),
    "boris-project": lambda path, how: boris.read_project(path, how.every_s),
}
"""Format → its reader."""


def read_labels(paths: Sequence[Path], settings: LabelSettings) -> Coding:
    """Read label files, and folders of them.

    Args:
        paths: files, or folders, in which files without labels are ignored.
        settings: format and sampling.

    Raises:
        UsageError: there is no such format.
        DataError: a file is missing or holds no labels; names file and line.
    """
    if settings.format is not None and settings.format not in FORMATS:
        raise UsageError(
            f"--labels-format {settings.format}: expected one of {', '.join(FORMATS)}, or none: by content"
        )
    codings = [coding for path in paths for coding in _read(path, settings)]
    whole = concatenate(codings)
    if not len(whole) or not whole.au_names:
        raise DataError(f"{', '.join(escape(str(p)) for p in paths)}: expected codes of AUs, found none")
    return whole


def detect_format(path: Path) -> str | None:
    """Return the format of a file by its content, or None if it holds no labels.

    Raises:
        DataError: it cannot be read.
    """
    if path.suffix.lower() == ".parquet":
        return "table" if table.au_columns(read_table(path)) else None
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES).decode("utf-8-sig", "replace")
    except OSError as error:
        raise DataError(f"{escape(str(path))} cannot be read: {error.strerror or error}") from error
    if head.lstrip().startswith("<"):
        return "elan" if "ANNOTATION_DOCUMENT" in head else None
    if head.lstrip().startswith("{"):
        return "boris-project" if "behaviors_conf" in path.read_text("utf-8", "replace") else None
    if find_header(head, boris.is_header) is not None:
        return "boris"
    header = head.partition("\n")[0]
    names = [name.strip().strip('"').lower() for name in header.split(max(",\t;", key=header.count))]
    columns = Table(path, dict.fromkeys(names, ()), 2)
    if openface.is_openface(columns) and not any(name in columns for name in table.FILE):
        return "openface"
    return "table" if table.au_columns(columns) else None


def _read(path: Path, settings: LabelSettings) -> Iterator[Coding]:
    if not path.exists():
        raise DataError(f"--data {escape(str(path))}: expected a file or folder of labels, found nothing")
    files = label_files(path)
    kinds = {file: settings.format or detect_format(file) for file in files}
    if not any(kinds.values()):
        raise DataError(
            f"--data {escape(str(path))}: expected a table with AU columns (AU1, AU01_c, …), an ELAN file (.eaf), "
            "an export of BORIS's events or a .boris project, found none: see docs/finetune.md, or force one by "
            "--labels-format"
        )
    yield from (FORMATS[kind](file, settings) for file, kind in kinds.items() if kind is not None)


def label_files(path: Path) -> list[Path]:
    """Return the label files in a folder, or the file itself."""
    return list(_below(path)) if path.is_dir() else [path]


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(where, name)
            for name in sorted(names)
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        )


def _with_aus(found: Table) -> Table:
    if not table.au_columns(found):
        raise DataError(
            f"{escape(str(found.path))}: expected columns of AUs (AU1, AU01, au12, AU01_c), found "
            f"{', '.join(found.columns)}"
        )
    return found


def _as_openface(found: Table) -> Table:
    if not openface.is_openface(found):
        raise DataError(
            f"{escape(str(found.path))}: expected OpenFace's columns frame, timestamp and AU01_c …, found "
            f"{', '.join(found.columns)[:200]}"
        )
    return found
