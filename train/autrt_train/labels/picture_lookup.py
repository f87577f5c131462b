"""Lookup of pictures of an index by the names and frames in tables."""

from __future__ import annotations

import os
from functools import cache
from pathlib import PurePosixPath
from typing import Final

from autrt.storage.escape import escape
from autrt_train.annotations.pictures import is_picture
from autrt_train.labels.coding import NO_FRAME, NO_TRACK
from autrt_train.labels.path_ends import PathEnds
from autrt_train.types import DataError, Index

NOT_FOUND: Final = -1
"""The index has no such picture."""
AMBIGUOUS: Final = -2
"""The index has several faces of the frame, and no track is given."""

DEPTH: Final = 4
"""Number of last parts of a picture's path that names are compared with."""


class PictureLookup:
    """Pictures of an index by their path, or by the path of their video and a frame.

    Names match paths that end like them.

    Args:
        index: crops of `autrt crop`, or other pictures.
    """

    def __init__(self, index: Index) -> None:
        self._pictures, self._videos = PathEnds[int](), PathEnds[int]()
        self._frame_rows: dict[tuple[int, int], list[int]] = {}
        self._tracks: dict[tuple[int, int, int], int] = {}
        self._video_rows: dict[int, list[int]] = {}
        paths = [PurePosixPath(os.fsdecode(path)) for path in index.paths.tolist()]
        for video, name in enumerate(index.video_names):
            self._videos.add([name], video)
        for row, (video, number) in enumerate(zip(index.video.tolist(), index.frame.tolist(), strict=True)):
            self._pictures.add(["/".join(paths[row].parts[-DEPTH:])], row)
            self._frame_rows.setdefault((video, number - 1), []).append(row)
            self._video_rows.setdefault(video, []).append(row)
            if (track := paths[row].parent.name).isdigit():
                self._tracks[video, number - 1, int(track)] = row
        self._rows_of_name = cache(self._find)

    def row(self, name: str, frame: int = NO_FRAME, track: int = NO_TRACK) -> int:
        """Return a row of the index, `NOT_FOUND` or `AMBIGUOUS`.

        Args:
            name: path of a picture or video, or the end of one.
            frame: from 0, or `NO_FRAME` for the only frame of a video; ignored for pictures found by name.
            track: of the face, or `NO_TRACK` for the only face.

        Raises:
            DataError: several pictures or videos have this name.
        """
        picture, video = self._rows_of_name(name)
        if picture != NOT_FOUND:
            return picture
        if track != NO_TRACK and (video, frame, track) in self._tracks:
            return self._tracks[video, frame, track]
        rows = (
            self._video_rows.get(video, []) if frame == NO_FRAME else self._frame_rows.get((video, frame), [])
        )
        return rows[0] if len(rows) == 1 else AMBIGUOUS if rows else NOT_FOUND

    def _find(self, name: str) -> tuple[int, int]:
        """Return the picture's row and the video's number of a name, either `NOT_FOUND`."""
        pictures = self._pictures.find(name) if is_picture(name) else []
        videos = [] if pictures else self._videos.find(name)
        if len(pictures) > 1 or len(videos) > 1:
            raise DataError(
                f"{escape(name)!r} is the name of several pictures or videos: write more of its path"
            )
        return (pictures or [NOT_FOUND])[0], (videos or [NOT_FOUND])[0]
