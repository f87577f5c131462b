"""Layout of a table made from results files: its columns and metadata."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autrt.errors import UsageError
from autrt.grades import GRADES
from autrt.results.extra_columns import extra_columns
from autrt.results.hdf5_attributes import plain_text
from autrt.results.header import Header
from autrt.results.reader import Results
from autrt.results.schema import Column
from autrt.results.tables.columns import OF_QUALITY, TableColumn, table_columns
from autrt.storage.escape import escape

TABLE_SCHEMA: Final = "autrt-table/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLayout:
    """Columns and metadata of one table."""

    columns: tuple[TableColumn, ...]
    faces_only: bool
    """True if frames without a face have no row."""
    min_quality: float | None = None
    """Faces of less quality have no row."""
    gaps: bool
    """True if some of the results lack some of the columns."""
    metadata: dict[str, Any]
    """JSON values: the models, the number of videos and the options; for a single video also all attributes of its
    results."""

    @property
    def nullable(self) -> bool:
        """True if values may be missing in columns of faces."""
        return self.gaps or not self.faces_only

    def grade(self, column: TableColumn) -> dict[str, str]:
        """Return `grade` and `evidence` of a column's AU, the models' lowest grade; empty without grades."""
        models: list[dict[str, Any]] = self.metadata["models"]
        graded = [m for m in models if m["grades"].get(column.au) in GRADES]
        if not graded:
            return {}
        worst = max(graded, key=lambda m: GRADES.index(m["grades"][column.au]))
        return {
            "grade": worst["grades"][column.au],
            "evidence": plain_text(worst["evidence"].get(column.au, "")),
        }


def make_layout(
    opened: Iterable[Results],
    columns: Sequence[str] | None = None,
    *,
    faces_only: bool = False,
    min_quality: float | None = None,
) -> TableLayout:
    """Return the layout of one table of several results files, with the union of their columns.

    Args:
        opened: open results files; each is read once and not kept.
        columns: see `columns.table_columns`; default: all but the members' logits.
        faces_only: leave out frames without a face.
        min_quality: leave out faces of less quality.

    Raises:
        UsageError: there is no such column, `min_quality` is not from 0 to 1, or two results files have the same
            source path.
    """
    if min_quality is not None and not 0 <= min_quality <= 1:
        raise UsageError(f"min_quality: expected a number from 0 to 1, found {min_quality:g}")
    models: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
    seen: set[str] = set()
    last: dict[str, Any] = {}
    extra: dict[str, Column] = {}
    with_extra: dict[str, int] = dict.fromkeys(OF_QUALITY, 0)
    stills = False
    for results in opened:
        header = results.header
        if header.source.path in seen:
            raise twice_error(header.source.path, results.path)
        seen.add(header.source.path)
        models.setdefault((header.model_digest, header.au_grades), _model(header))["videos"] += 1
        last = _attributes(results)
        stills = stills or header.source.kind == "stills"
        own = extra_columns(results)
        extra |= own
        with_extra |= {name: with_extra.get(name, 0) + 1 for name in own}
    aus = dict.fromkeys(au for model in models.values() for au in model["au_names"])
    members = dict.fromkeys(name for model in models.values() for name in model["member_names"])
    found = table_columns(tuple(aus), tuple(members), columns, extra, stills=stills)
    of_members = any(column.group == "member_logit" for column in found)
    gaps = any(with_extra.get(column.group, len(seen)) < len(seen) for column in found) or any(
        set(model["au_names"]) != set(aus) or (of_members and set(model["member_names"]) != set(members))
        for model in models.values()
    )
    metadata = {
        "table": TABLE_SCHEMA,
        "models": list(models.values()),
        "videos": len(seen),
        "options": table_options(columns, faces_only=faces_only, min_quality=min_quality),
    }
    return TableLayout(
        columns=found,
        faces_only=faces_only,
        min_quality=min_quality,
        gaps=gaps,
        metadata=metadata if len(seen) != 1 else last | metadata,
    )


def table_options(
    columns: Sequence[str] | None, *, faces_only: bool, min_quality: float | None = None
) -> dict[str, Any]:
    """Return what was asked of a table, as in its metadata; `columns` is None for all but the members' logits."""
    asked = {"columns": None if columns is None else list(columns), "faces_only": faces_only}
    return asked if min_quality is None else asked | {"min_quality": min_quality}


def _attributes(results: Results) -> dict[str, Any]:
    """Return all attributes of a results file, with paths escaped as in the file."""
    header = results.header
    paths = {"source_path": escape(header.source.path), "command": escape(header.command)}
    return header.attributes() | paths | {"n_frames": results.n_frames}


def _model(header: Header) -> dict[str, Any]:
    return {
        "name": header.model_name,
        "digest": header.model_digest,
        "au_names": list(header.au_names),
        "member_names": list(header.member_names),
        "thresholds": list(header.thresholds),
        "grades": dict(zip(header.au_names, header.au_grades, strict=False)),
        "evidence": dict(header.au_evidence),
        "videos": 0,
    }


def twice_error(video: str, path: Path) -> UsageError:
    """Return the error that the results file `path` is the second of one video among those of one table."""
    return UsageError(
        f"{escape(str(path))}: expected each video once, found {escape(video)} a second time, and nothing "
        "in one table would tell them apart: export them to tables of their own"
    )
