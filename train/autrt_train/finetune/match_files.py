"""File names in labels, matched to videos and pictures."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from autrt.storage.escape import escape
from autrt.types import Source
from autrt.video.pictures import picture_number
from autrt_train.labels.path_ends import PathEnds, path_parts
from autrt_train.types import DataError

SHOWN: Final = 5
"""Number of names listed in a message."""


@dataclass(frozen=True, slots=True)
class MatchedFile:
    """The file that a name stands for."""

    source: Source
    frame: int | None = None
    """Index of a picture in a folder of numbered pictures, if the name is that of a picture."""


def match_sources(
    names: Sequence[str], sources: Sequence[Source], log: Callable[[str], object]
) -> dict[str, MatchedFile]:
    r"""Return the file of each name that has one.

    A name is a path or the end of one, with or without extension, with `\` or `/` between its parts; it stands
    for the file whose path agrees with most of its last parts.

    Args:
        names: file names in the labels.
        sources: all videos and pictures.
        log: receives a line about names without a file.

    Raises:
        DataError: no name has a file, or a name fits several.
    """
    ends = PathEnds[Source]()
    for source in sources:
        ends.add((str(source.path.absolute()), source.relative), source)
    found: dict[str, MatchedFile] = {}
    lacking: list[str] = []
    for name in dict.fromkeys(names):
        *folders, last = path_parts(name) or [""]
        number = picture_number(last)
        hits, frame = ends.find(name), None
        if not hits and number is not None:
            hits = [source for source in ends.find("/".join(folders)) if source.kind == "images"]
            frame = number - _first_number(hits[0]) if hits else None
        if len(hits) > 1:
            raise DataError(
                f"the labels' {escape(name)!r} is the name of several files: "
                f"{', '.join(escape(str(source.path)) for source in hits[:SHOWN])}: write more of its path"
            )
        if hits:
            found[name] = MatchedFile(hits[0], frame)
        else:
            lacking.append(name)
    if not found:
        raise DataError(f"no name in the labels is one of a video or picture. {_nearest(lacking, sources)}")
    if lacking:
        whole = len(found) + len(lacking)
        log(f"{len(lacking)} of {whole} names in the labels have no file. {_nearest(lacking, sources)}")
    return found


def _first_number(folder: Source) -> int:
    """Return the number of the first picture: 0 or 1."""
    return 0 if any(picture_number(entry.name) == 0 for entry in folder.path.iterdir()) else 1


def _nearest(lacking: Sequence[str], sources: Sequence[Source]) -> str:
    known = [source.relative for source in sources]
    lines: list[str] = []
    for name in lacking[:SHOWN]:
        near = difflib.get_close_matches(name, known, 3, 0.3) or known[:3]
        lines.append(f"{escape(name)!r} (nearest: {', '.join(repr(escape(n)) for n in near)})")
    more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
    return f"Expected such as a file in --videos has; found {'; '.join(lines)}{more}"
