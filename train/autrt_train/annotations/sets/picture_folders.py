"""Folders of numbered pictures at any depth, found by patterns in their paths."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from autrt.storage.escape import escape
from autrt_train.annotations.pictures import is_picture
from autrt_train.packed.picture_files import is_folder, walk
from autrt_train.types import DataError


def find_picture_folders(root: Path, patterns: Mapping[str, str]) -> dict[str, list[Path]]:
    """Return for each key the folders with pictures in whose path below `root` its pattern occurs.

    Args:
        root: folder to search recursively.
        patterns: key → regular expression; its match must not be followed by a digit.

    Returns:
        Every key → its folders, sorted by path.

    Raises:
        DataError: `root` is not a folder, or nothing below it holds pictures.
    """
    if not is_folder(root):
        raise DataError(
            f"{escape(str(root))}: expected a folder of pictures for each video, found none: cut the crops with "
            "`autrt crop`, or set `images`"
        )
    holding: list[tuple[str, Path]] = []
    for where, files in walk(root):
        if any(is_picture(name) for name in files):
            holding.append((os.path.relpath(where, root).replace(os.sep, "/"), where))
    if not holding:
        raise DataError(f"{escape(str(root))}: expected folders of numbered pictures in it, found no picture")
    wanted = {key: re.compile(f"{pattern}(?![0-9])", re.IGNORECASE) for key, pattern in patterns.items()}
    return {key: [path for short, path in holding if look.search(short)] for key, look in wanted.items()}
