"""Which picture of an index a table's row is of."""

from __future__ import annotations

import os
from functools import cache
from pathlib import PurePosixPath
from typing import Final

from autrt.results.names import escape
from autrt_train.annotations.pictures import is_picture
from autrt_train.labels.coding import NO_FRAME, NO_TRACK
from autrt_train.labels.tails import Tails
from autrt_train.types import DataError, Index

NOWHERE: Final = -1
"""No picture is the row's."""
UNCLEAR: Final = -2
"""Several faces of one frame are pictures, and the row names no track."""

DEPTH: Final = 4
"""Parts of a picture's path that a name is compared with."""


class Places:
    """The pictures of an index by what tables call them: a picture's path, or a video's and a frame.

    Paths need to agree in their last parts alone.

    Args:
        index: of pictures as `autrt crop` cuts them, or any others.
    """

    def __init__(self, index: Index) -> None:
        self._pictures, self._videos = Tails[int](), Tails[int]()
        self._rows: dict[tuple[int, int], list[int]] = {}
        self._tracks: dict[tuple[int, int, int], int] = {}
        self._of_video: dict[int, list[int]] = {}
        paths = [PurePosixPath(os.fsdecode(path)) for path in index.paths.tolist()]
        for video, name in enumerate(index.video_names):
            self._videos.add([name], video)
        for row, (video, number) in enumerate(zip(index.video.tolist(), index.frame.tolist(), strict=True)):
            self._pictures.add(["/".join(paths[row].parts[-DEPTH:])], row)
            self._rows.setdefault((video, number - 1), []).append(row)
            self._of_video.setdefault(video, []).append(row)
            if (track := paths[row].parent.name).isdigit():
                self._tracks[video, number - 1, int(track)] = row
        self._meant = cache(self._find)

    def row(self, name: str, frame: int = NO_FRAME, track: int = NO_TRACK) -> int:
        """Return the row of the index, `NOWHERE` or `UNCLEAR`.

        Args:
            name: of a picture or a video; a path or a part of one.
            frame: of the video, from 0, or `NO_FRAME`: its only one. A picture found by its own name may have any.
            track: of the face, or `NO_TRACK`: the only one.

        Raises:
            DataError: the name is that of several pictures or videos.
        """
        picture, video = self._meant(name)
        if picture != NOWHERE:
            return picture
        if track != NO_TRACK and (video, frame, track) in self._tracks:
            return self._tracks[video, frame, track]
        rows = self._of_video.get(video, []) if frame == NO_FRAME else self._rows.get((video, frame), [])
        return rows[0] if len(rows) == 1 else UNCLEAR if rows else NOWHERE

    def _find(self, name: str) -> tuple[int, int]:
        """The picture of a name, or the video."""
        pictures = self._pictures.find(name) if is_picture(name) else []
        videos = [] if pictures else self._videos.find(name)
        if len(pictures) > 1 or len(videos) > 1:
            raise DataError(
                f"{escape(name)!r} is the name of several pictures or videos: write more of its path"
            )
        return (pictures or [NOWHERE])[0], (videos or [NOWHERE])[0]
