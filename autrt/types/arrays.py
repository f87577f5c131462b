"""Array types, and the check of their dtypes and shapes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


def check_array(
    owner: object, name: str, array: np.ndarray[Any, Any], dtype: type, shape: tuple[int | None, ...]
) -> None:
    """Refuse an array field of another dtype or shape; None in `shape` is any length.

    Raises:
        ValueError: the array differs; the message says what was expected and found.
    """
    if (
        array.dtype != dtype
        or len(array.shape) != len(shape)
        or any(want is not None and want != got for want, got in zip(shape, array.shape, strict=True))
    ):
        wanted = "×".join("any" if n is None else str(n) for n in shape)
        raise ValueError(
            f"{type(owner).__name__}.{name}: expected {np.dtype(dtype).name} of shape {wanted}, "
            f"found {array.dtype.name} of shape {'×'.join(map(str, array.shape))}"
        )


class ShapedRepr:
    """A dataclass's repr that prints array shapes instead of their numbers."""

    __slots__ = ()

    def __repr__(self) -> str:
        names = [f.name for f in fields(self)]  # pyright: ignore[reportArgumentType]
        return (
            f"{type(self).__name__}({', '.join(f'{name}={_shaped(getattr(self, name))}' for name in names)})"
        )


def _shaped(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype.name}{list(value.shape)}"
    if isinstance(value, dict):
        items: dict[Any, Any] = value
        return "{" + ", ".join(f"{key!r}: {_shaped(item)}" for key, item in items.items()) + "}"
    return repr(value)
