"""Which video or picture a label file means."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from autrt.results.names import escape
from autrt.types import Source
from autrt.video.pictures import picture_number
from autrt_train.labels.tails import Tails, parts_of
from autrt_train.types import DataError

SHOWN: Final = 5
"""Names that a message lists."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What a name means."""

    source: Source
    frame: int | None = None
    """Of a folder of numbered pictures: the index of the one that is named."""


def match_sources(
    names: Sequence[str], sources: Sequence[Source], say: Callable[[str], object]
) -> dict[str, Meant]:
    r"""The source of each name that has one.

    A name is a path or a part of one, with or without extension, `\` or `/` between its parts; what its last parts
    agree with most is meant.

    Args:
        names: as the labels write them.
        sources: all videos and pictures there are.
        say: told which names have no source.

    Raises:
        DataError: no name has one, or one has several.
    """
    tails = Tails[Source]()
    for source in sources:
        tails.add((str(source.path.absolute()), source.relative), source)
    found: dict[str, Meant] = {}
    lacking: list[str] = []
    for name in dict.fromkeys(names):
        *folders, last = parts_of(name) or [""]
        number = picture_number(last)
        hits, frame = tails.find(name), None
        if not hits and number is not None:
            hits = [source for source in tails.find("/".join(folders)) if source.kind == "images"]
            frame = number - _first_number(hits[0]) if hits else None
        if len(hits) > 1:
            raise DataError(
                f"the labels' {escape(name)!r} is the name of several files: "
                f"{', '.join(escape(str(source.path)) for source in hits[:SHOWN])}: write more of its path"
            )
        if hits:
            found[name] = Meant(hits[0], frame)
        else:
            lacking.append(name)
    if not found:
        raise DataError(f"no name in the labels is one of a video or picture. {_nearest(lacking, sources)}")
    if lacking:
        whole = len(found) + len(lacking)
        say(f"{len(lacking)} of {whole} names in the labels have no file. {_nearest(lacking, sources)}")
    return found


def _first_number(folder: Source) -> int:
    """What a folder's pictures count from."""
    return 0 if any(picture_number(entry.name) == 0 for entry in folder.path.iterdir()) else 1


def _nearest(lacking: Sequence[str], sources: Sequence[Source]) -> str:
    known = [source.relative for source in sources]
    lines: list[str] = []
    for name in lacking[:SHOWN]:
        near = difflib.get_close_matches(name, known, 3, 0.3) or known[:3]
        lines.append(f"{escape(name)!r} (nearest: {', '.join(repr(escape(n)) for n in near)})")
    more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
    return f"Expected such as a file in --videos has; found {'; '.join(lines)}{more}"
