"""Search for the parts of Aff-Wild2 below one folder: annotations and folders of crops, however they were unpacked.

Seen in public work: `AU_Detection_Challenge` at the root or in `6th ABAW Annotations`, crops in `cropped_aligned`,
`cropped_aligned/cropped_aligned`, `batch1/cropped_aligned` and `batch2/cropped_aligned_new_50_vids`, and the
multi-task texts `training_set_annotations.txt` of s-Aff-Wild2 at the root or in `annotations`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from autrt.storage.escape import escape
from autrt_train.annotations.pictures import CROPS, is_numbered
from autrt_train.packed.picture_files import list_folders, list_names
from autrt_train.types import DataError, Split

SPLITS: Final[dict[Split, str]] = {"train": "Train_Set", "validation": "Validation_Set"}
NEW_VIDEOS: Final = "cropped_aligned_new_50_vids"
"""Folder of the videos that were added later, in an archive of its own."""
LEVELS: Final = 4
"""Folders below the root that are searched."""
LOOKED_AT: Final = 20
"""Files of a folder that tell whether it holds pictures."""
MULTI_TASK_HEADER: Final = b"image,valence,arousal,expression"

_CHALLENGE: Final = re.compile(r"(AU|Action_Unit)_Detection_Challenge", re.IGNORECASE)
_MULTI_TASK: Final[dict[Split, re.Pattern[str]]] = {
    "train": re.compile(r"train(ing)?_set.*\.txt", re.IGNORECASE),
    "validation": re.compile(r"val(id|idation)?_set.*\.txt", re.IGNORECASE),
}


@dataclass(slots=True)
class AffWild2Layout:
    """Parts of Aff-Wild2 below one folder."""

    root: Path
    challenges: list[Path] = field(default_factory=list[Path])
    """Folders with Train_Set or Validation_Set of the AU challenge, the nearest first."""
    multi_task: dict[Split, list[Path]] = field(default_factory=lambda: {"train": [], "validation": []})
    """Texts of s-Aff-Wild2."""
    pictures: list[Path] = field(default_factory=list[Path])
    """Folders with a folder of crops for each video: those of the later videos last, the nearest first."""

    def lines(self) -> Iterator[str]:
        """Yield a line about each part: what was found where, and what was not."""
        for split, name in SPLITS.items():
            found = [place / name for place in self.challenges if (place / name).is_dir()]
            for folder in found:
                yield f"{name}: {len(list(folder.glob('[!.]*.txt')))} texts in {self._short(folder)}"
            for text in self.multi_task[split]:
                yield f"{name}, multi-task: {self._short(text)}"
            if not found and not self.multi_task[split]:
                yield f"{name}: not found"
        for folder in self.pictures:
            yield f"crops: {len(subfolders(folder))} folders in {self._short(folder)}"
        if not self.pictures:
            yield f"crops: not found (folders named {CROPS}… with a folder for each video)"
        elif not any(folder.name == NEW_VIDEOS for folder in self.pictures):
            yield f"crops of the later videos ({NEW_VIDEOS}): not found"

    def missing(self, what: str) -> DataError:
        """Return the error for a part that is missing."""
        found = "; ".join(self.lines())
        return DataError(
            f"{escape(str(self.root))}: expected {what} in it or up to {LEVELS} folders below, found: {found}: "
            "unpack what is missing there, or set `labels` or `images` to its folder"
        )

    def _short(self, path: Path) -> str:
        return escape(str(path.relative_to(self.root))) if path != self.root else "."


def find_layout(root: Path) -> AffWild2Layout:
    """Search a folder for the parts of Aff-Wild2; folders of pictures are not entered.

    Raises:
        DataError: a folder cannot be listed.
    """
    layout = AffWild2Layout(root)
    level = [root]
    for _ in range(LEVELS + 1):
        below: list[Path] = []
        for folder in level:
            below += _look_at(folder, layout)
        level = below
    layout.pictures.sort(key=lambda folder: folder.name == NEW_VIDEOS)
    return layout


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted by name, without hidden ones and those of archive programs.

    Raises:
        DataError: it cannot be listed.
    """
    try:
        names = [name for name in list_folders(folder) if not name.startswith((".", "__"))]
    except OSError as error:
        raise DataError(f"{escape(str(folder))} cannot be listed: {error.strerror or error}") from error
    return [folder / name for name in names]


def _look_at(folder: Path, layout: AffWild2Layout) -> Sequence[Path]:
    """Note what a folder is, and return its folders that are to be searched."""
    inside = subfolders(folder)
    names = {path.name for path in inside}
    if names & set(SPLITS.values()):
        if _CHALLENGE.fullmatch(folder.name) or folder == layout.root:
            layout.challenges.append(folder)
        return []
    for split, pattern in _MULTI_TASK.items():
        texts = sorted(path for path in folder.glob("*.txt") if pattern.fullmatch(path.name))
        layout.multi_task[split] += [text for text in texts if _is_multi_task(text)]
    deeper = [path for path in inside if path.name.startswith(CROPS)]
    if any(_holds_pictures(path) for path in inside if path not in deeper):
        if folder.name.startswith(CROPS) or (folder == layout.root and not deeper):
            layout.pictures.append(folder)
        return deeper
    return inside


def _holds_pictures(folder: Path) -> bool:
    """Return True if the first file that the system names in a folder is a numbered picture, or one of the next."""
    try:
        with os.scandir(folder) as entries:
            return any(is_numbered(entry.name) for entry in islice(entries, LOOKED_AT))
    except OSError:
        pass
    try:
        return any(is_numbered(os.fsdecode(name)) for name in list_names(os.fsencode(folder.absolute())))
    except OSError:
        return False


def _is_multi_task(text: Path) -> bool:
    try:
        with text.open("rb") as file:
            return (
                file.readline().removeprefix(b"\xef\xbb\xbf").replace(b" ", b"").startswith(MULTI_TASK_HEADER)
            )
    except OSError:
        return False
