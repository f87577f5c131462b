"""The check of a picture that a user passes; a refusal says how to convert it, where that is known."""

from __future__ import annotations

import reprlib
from os import PathLike
from typing import Any

import numpy as np

from autrt.errors import UsageError
from autrt.types import U8

_EXPECTED = "expected a picture as uint8 (height, width, 3) RGB"


def checked_picture(picture: Any) -> U8:
    """Return a picture as a contiguous array.

    Args:
        picture: uint8 (H, W, 3) RGB.

    Raises:
        UsageError: it is something else; says what was found and how to convert it.
    """
    array = _array(picture)
    advice = _shape_advice(array)
    if advice is None:
        advice = _dtype_advice(array)
    if advice is not None:
        found = f"{array.dtype} of shape {'×'.join(map(str, array.shape)) or '()'}"
        raise UsageError(f"{_EXPECTED}, found {found}{advice and ': '}{advice}")
    return np.ascontiguousarray(array, np.uint8)


def _array(picture: Any) -> np.ndarray[Any, Any]:
    if isinstance(picture, str | bytes | PathLike):
        raise UsageError(f"{_EXPECTED}, found {reprlib.repr(picture)}: `autrt.recognise` reads files")
    mode = getattr(picture, "mode", "RGB")  # of Pillow's images
    if mode != "RGB" and hasattr(picture, "convert"):
        raise UsageError(f"{_EXPECTED}, found an image of mode {mode}: pass image.convert('RGB')")
    try:
        array = np.asarray(picture)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors on a GPU
        raise UsageError(f"{_EXPECTED}, found {type(picture).__name__}: {error}") from error
    if array.dtype.kind not in "buif":
        raise UsageError(f"{_EXPECTED}, found {reprlib.repr(picture)} ({type(picture).__name__})")
    return array


def _shape_advice(array: np.ndarray[Any, Any]) -> str | None:
    """Return advice on a wrong shape, empty where none is known; None where the shape is right."""
    match array.shape:
        case shape if array.ndim and 0 in shape:
            return ""
        case (_, _, 3):
            return None
        case (_, _, _, _):
            return "pass several pictures one by one, frames of one video to `stream`"
        case (_, _) | (_, _, 1):
            return "repeat a grey picture with np.repeat(grey.reshape(h, w, 1), 3, axis=2)"
        case (3, _, _):
            return "move the channels to the end with picture.transpose(1, 2, 0)"
        case (_, _, 4):
            return "leave out an alpha channel with picture[:, :, :3]"
        case _:
            return ""


def _dtype_advice(array: np.ndarray[Any, Any]) -> str | None:
    """Return advice on a wrong dtype, empty where none is known; None where the dtype is right."""
    if array.dtype == np.uint8:
        return None
    if array.dtype.kind == "b":
        return "a mask becomes 255 * picture.astype(np.uint8)"
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind == "f" and 0 <= low <= high <= 1:
        return "values from 0 to 1 become (255 * picture).round().astype(np.uint8)"
    if 0 <= low <= high <= 255:
        return "values from 0 to 255 become np.asarray(picture).round().astype(np.uint8)"
    return f"its values go from {low:g} to {high:g}, not from 0 to 255"
