"""Irregularities in a data set, counted, with examples of each kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from autrt.storage.escape import escape

Kind = Literal[
    "missing_frames",
    "row_mismatches",
    "foreign_files",
    "videos_without_pictures",
    "second_copies",
    "several_faces",
    "incomplete_labels",
    "unusual_classes",
    "labels_without_pictures",
]

MEANING: Final[dict[Kind, str]] = {
    "missing_frames": "labelled frames without a picture, skipped",
    "row_mismatches": "videos whose label rows and pictures differ in number",
    "foreign_files": "files that are no numbered picture, ignored",
    "videos_without_pictures": "labelled videos without a folder of pictures, skipped",
    "second_copies": "folders of pictures that were found a second time, ignored",
    "several_faces": "frames with several faces and one label, skipped",
    "incomplete_labels": "frames with a missing label, dropped on request",
    "unusual_classes": "classes, where expression sets have 7 or 8",
    "labels_without_pictures": "labels of files or frames without a picture, skipped",
}

EXAMPLES: Final = 20
"""Number of examples kept of each kind; all are counted."""


@dataclass(slots=True, kw_only=True)
class DataIssues:
    """Irregularities in a data set that do not prevent training on it."""

    counts: dict[Kind, int] = field(default_factory=dict[Kind, int])
    """Kind → total number."""
    places: dict[Kind, int] = field(default_factory=dict[Kind, int])
    """Kind → number of files or videos."""
    examples: dict[Kind, list[str]] = field(default_factory=dict[Kind, list[str]])
    """Kind → "where: what", at most `EXAMPLES` of them."""
    remarks: list[str] = field(default_factory=list[str])
    """Sentences about the labels, such as the agreement of coders."""

    def note(self, kind: Kind, where: str, what: str = "", count: int = 1) -> None:
        """Count an irregularity; nothing is recorded for a count of 0."""
        if count <= 0:
            return
        self.counts[kind] = self.counts.get(kind, 0) + count
        self.places[kind] = self.places.get(kind, 0) + 1
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            examples.append(escape(where) + (f": {what}" if what else ""))

    def remark(self, sentence: str) -> None:
        """Add a sentence about the labels."""
        self.remarks.append(sentence)

    def lines(self) -> list[str]:
        """Return the remarks, and a line for each kind that occurred, with its first examples."""
        out = list(self.remarks)
        for kind, count in self.counts.items():
            shown = "; ".join(self.examples[kind][:3])
            more = self.places[kind] - min(3, len(self.examples[kind]))
            out.append(f"{count} {MEANING[kind]} ({shown}{f'; and {more} more' if more else ''})")
        return out

    def as_dict(self) -> dict[str, Any]:
        """Return the counts and examples as JSON values."""
        return {
            kind: {"count": count, "places": self.places[kind], "examples": self.examples[kind]}
            for kind, count in self.counts.items()
        }
