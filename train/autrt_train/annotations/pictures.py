"""Pictures on disk: numbered pictures of a video, videos' folders by name, and checks of paths."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from autrt.storage.escape import escape
from autrt.types import I32, Bool
from autrt.video.file_kind import STILL_SUFFIXES, VIDEO_SUFFIXES
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.packed.picture_files import list_folders, list_names
from autrt_train.types import DataError

CROPS: Final = "cropped_aligned"
"""Folder of a data set's crops, with a folder for each video (Aff-Wild2's name)."""

_NUMBERED: Final = re.compile(rb"([0-9]{1,9})\.(?:jpg|jpeg|png)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NumberedPictures:
    """Numbered pictures of one folder, in order of number."""

    frame: I32
    """(n,) int32, increasing."""
    paths: NDArray[np.bytes_]
    """(n,) absolute paths."""

    def find(self, frames: I32) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return for each wanted frame if it has a picture, and the picture's row (undefined if not)."""
        if not len(self.frame):
            return np.zeros(len(frames), bool), np.zeros(len(frames), np.int64)
        row = np.minimum(np.searchsorted(self.frame, frames), len(self.frame) - 1)
        return self.frame[row] == frames, row


def numbered_pictures(folder: Path, issues: DataIssues, where: str) -> NumberedPictures:
    """List the numbered pictures in a video's folder: `00001.jpg`, `00002.jpg`, …; hidden files are ignored.

    Args:
        folder: of the video.
        issues: records other files, and a second picture with the same number.
        where: name of the folder in `issues`.

    Raises:
        DataError: the folder cannot be listed.
    """
    base = os.fsencode(folder.absolute())
    numbers: dict[int, bytes] = {}
    foreign: list[bytes] = []
    try:
        names = sorted(list_names(base))
    except OSError as error:
        raise DataError(f"{escape(str(folder))} cannot be listed: {error.strerror or error}") from error
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match and numbers.setdefault(int(match[1]), name) == name:
            continue
        if not name.startswith(b"."):
            foreign.append(name)
    if foreign:
        issues.note("foreign_files", where, escape(os.fsdecode(foreign[0])), len(foreign))
    frames = sorted(numbers)
    paths = [base + b"/" + numbers[frame] for frame in frames]
    return NumberedPictures(np.array(frames, np.int32), as_paths(paths))


def as_paths(paths: Sequence[bytes]) -> NDArray[np.bytes_]:
    """Return (N,) paths as a bytes array, of width 1 if empty."""
    return np.array(paths, dtype=np.bytes_) if len(paths) else np.empty(0, "S1")


def video_folders(roots: Sequence[Path], issues: DataIssues | None = None) -> dict[str, Path]:
    """Return the folders directly in `roots` by name, and by name without a video's extension; the first root wins.

    Raises:
        DataError: a root cannot be listed.
    """
    found: dict[str, Path] = {}
    short: dict[str, Path] = {}
    for root in roots:
        try:
            folders = [name for name in list_folders(root) if not name.startswith(".")]
        except OSError as error:
            raise DataError(f"{escape(str(root))} cannot be listed: {error.strerror or error}") from error
        for name in folders:
            if found.setdefault(name, root / name) != root / name and issues is not None:
                issues.note("second_copies", str(root / name), f"taken from {escape(str(found[name]))}")
            short.setdefault(without_video_suffix(name), root / name)
    return short | found


def without_video_suffix(name: str) -> str:
    """Return a video's name without its extension; a name without a video's extension is returned unchanged."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in VIDEO_SUFFIXES else name


def still_crop_name(name: str) -> str:
    """Return the name of the crop of a still's main face: its own name, as a JPEG."""
    return name if name.lower().endswith((".jpg", ".jpeg")) else f"{name}.jpg"


def is_picture(name: str) -> bool:
    """Return True if the file name is that of a picture."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in STILL_SUFFIXES  # noqa: PTH122


def is_numbered(name: str) -> bool:
    """Return True if the file name is that of a numbered picture."""
    return _NUMBERED.fullmatch(os.fsencode(name)) is not None


def require_folder(root: Path, what: str) -> Path:
    """Return `root` if it is a folder.

    Raises:
        DataError: it is not a folder.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise DataError(f"{escape(str(root))}: expected the folder of {what}, found {found}: check `root`")
    return root


def existing_paths(paths: Sequence[bytes], issues: DataIssues) -> Bool:
    """Return (N,) bool: True where an absolute path exists; every folder is listed once.

    Missing pictures are recorded in `issues`, by folder.
    """
    listed: dict[bytes, set[bytes]] = {}
    lacking: dict[bytes, list[bytes]] = {}
    out = np.ones(len(paths), bool)
    for row, path in enumerate(paths):
        folder, _, name = path.rpartition(b"/")
        if folder not in listed:
            listed[folder] = _names(folder)
        if name not in listed[folder]:
            out[row] = False
            lacking.setdefault(folder, []).append(name)
    for folder, names in lacking.items():
        issues.note("missing_frames", os.fsdecode(folder), escape(os.fsdecode(names[0])), len(names))
    return out


def _names(folder: bytes) -> set[bytes]:
    try:
        return set(list_names(folder))
    except OSError:
        return set()
