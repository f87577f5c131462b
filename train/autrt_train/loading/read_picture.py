"""Reading one picture from disk, complete or not at all."""

from __future__ import annotations

import cv2
import numpy as np

from autrt.storage.escape import escape
from autrt.types import CROP_SIZE_PX, U8
from autrt_train.packed.picture_files import read_file
from autrt_train.types import DataError, Index

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"

WAY_OUT = "cut or copy the picture anew, or take its row out of the annotations"


def picture_side_px(index: Index) -> int:
    """Return the side of the index's pictures as they are read: the crop and a margin on either side."""
    return CROP_SIZE_PX + 2 * index.margin_px


def file_side_px(index: Index, row: int) -> int:
    """Return the side of a row's picture on disk, with what is cut off as it is read."""
    return picture_side_px(index) + 2 * _cut_px(index, row)


def read_picture(index: Index, row: int) -> U8:
    """Decode the picture of a row.

    Returns:
        (S, S, 3) uint8 RGB, S = 112 + 2·margin.

    Raises:
        DataError: the file is not there, is no picture, was cut short or has another size.
    """
    picture = read_pixels(index, row)
    side, cut = file_side_px(index, row), _cut_px(index, row)
    if picture.shape != (side, side, 3):
        height, width = picture.shape[:2]
        raise DataError(
            f"{escape(str(index.path(row)))}: expected a picture of {side}×{side} pixels ({CROP_SIZE_PX} and "
            f"{index.margin_px + cut} around), found {width}×{height}: align the faces with `autrt crop`"
        )
    return picture[cut : side - cut, cut : side - cut] if cut else picture


def read_pixels(index: Index, row: int) -> U8:
    """Decode the picture of a row, of any size: (height, width, 3) uint8 RGB.

    Raises:
        DataError: the file is not there, is no picture or was cut short.
    """
    path = index.path(row)
    try:
        data = read_file(bytes(index.paths[row]))
    except OSError as error:
        raise DataError(
            f"{escape(str(path))}: expected a picture, found {error.strerror}: {WAY_OUT}"
        ) from error
    picture = _decode(data)
    if picture is None:
        raise DataError(
            f"{escape(str(path))}: expected a whole picture, found {len(data)} bytes that do not decode: {WAY_OUT}"
        )
    return picture


def _cut_px(index: Index, row: int) -> int:
    return 0 if index.cut_px is None else int(index.cut_px[row])


def _decode(data: bytes) -> U8 | None:
    # Of a JPEG that was cut short OpenCV 4 makes a half grey picture and only warns.
    if not data or (data.startswith(JPEG_START) and JPEG_END not in data):
        return None
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if picture is None else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
