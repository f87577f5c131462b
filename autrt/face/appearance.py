"""The appearance of a face: numbers that stay much the same for one person and differ between people.

Histograms of oriented gradients of the aligned crop (after Dalal and Triggs 2005), which the exposure doesn't
change, are projected by linear discriminant analysis: onto what differs between people, away from what differs
between one person's pictures (pose, expression, light). The upper, lower, left and right part of the face have
numbers of their own, so that a hand before one of them leaves the others. `appearance.npz` holds the
projections; they are linear, were fitted to real and rendered faces (docs/how-it-works.md), and take about 20
µs a face. `scripts/fit_appearance.py` fits such. They tell people in one film apart; they are no face
recognition, and know nobody from one film to the next.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Final

import cv2
import numpy as np

from autrt.types import F32, U8

PARTS: Final = 4
"""Parts of a face: upper, lower, left, right."""
DIMENSIONS: Final = 32
"""Numbers of a part."""

_SIDE: Final = 28
"""Side in pixels of the grey picture whose gradients are taken."""
_CELL: Final = 4
"""Side in pixels of a cell, which has a histogram."""
_CELLS: Final = _SIDE // _CELL
_DIRECTIONS: Final = 8
_NOISE: Final = np.float32(0.5)
"""Mean gradient, in grey levels, that is noise."""

PART_CELLS: Final = tuple(
    np.arange(_CELLS**2).reshape(_CELLS, _CELLS)[part].ravel()
    for part in (np.s_[:4], np.s_[3:], np.s_[:, :4], np.s_[:, 3:])
)
"""Cells of each part, counted row by row."""

_ANGLES: Final = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
_COS: Final = np.cos(_ANGLES).astype(np.float32)[:, None, None]
_SIN: Final = np.sin(_ANGLES).astype(np.float32)[:, None, None]
_POOL: Final = np.kron(np.eye(_CELLS), np.full((_CELL, 1), 1 / _CELL)).astype(np.float32)
"""(28, 7) means of each cell's pixels."""
_BLUR: Final = np.array(
    [
        [
            sum(abs(i + d) == j or 2 * (_CELLS - 1) - (i + d) == j for d in (-1, 0, 1)) / 3
            for j in range(_CELLS)
        ]
        for i in range(_CELLS)
    ],
    np.float32,
)
"""(7, 7) means of three neighbouring cells, mirrored at the border."""


def small_faces(sparse: U8) -> U8:
    """Return what the appearance of some faces is computed from.

    Args:
        sparse: (F, 56, 56) uint8, the green of every second pixel of aligned crops: nearly their grey, for a
        quarter of
            its cost.

    Returns:
        (F, 28, 28) uint8.
    """
    out = np.empty((len(sparse), _SIDE, _SIDE), np.uint8)
    for small, large in zip(out, sparse, strict=True):
        cv2.resize(large, (_SIDE, _SIDE), dst=small, interpolation=cv2.INTER_AREA)
    return out


def appearance(small: U8) -> F32:
    """Return the appearance of some faces.

    Args:
        small: (F, 28, 28) uint8; see `small_faces`.

    Returns:
        (F, 4, 32) float32, a vector of length 1 for each part of a face.
    """
    offset, basis = _projections()
    projected = (histograms(small) @ basis - offset).reshape(-1, PARTS, DIMENSIONS)
    length = np.sqrt(np.square(projected).sum(2, keepdims=True))
    return projected / np.maximum(length, np.float32(1e-6))


def histograms(small: U8) -> F32:
    """Return the roots of each cell's gradients by direction, relative to those around it.

    Args:
        small: (F, 28, 28) uint8; see `small_faces`.

    Returns:
        (F, 8·49) float32, the cells of the first direction first.
    """
    grey = small.astype(np.float32)
    x, y = np.zeros_like(grey), np.zeros_like(grey)
    np.subtract(grey[:, :, 2:], grey[:, :, :-2], out=x[:, :, 1:-1])
    np.subtract(grey[:, 2:], grey[:, :-2], out=y[:, 1:-1])
    directed = _COS * x[:, None] + _SIN * y[:, None]
    np.maximum(directed, 0, out=directed)
    cells = _POOL.T @ (directed @ _POOL)
    strength = np.sqrt(np.square(cells).sum(1, keepdims=True))
    around = _BLUR @ strength @ _BLUR.T
    return np.sqrt(cells / (around + _NOISE)).reshape(len(small), _DIRECTIONS * _CELLS**2)


@cache
def _projections() -> tuple[F32, F32]:
    """Return offset (128,) and basis (392, 128) of all parts, from `mean` (4, 8·28) and `basis` (4, 8·28, 32)."""
    with files("autrt.face").joinpath("appearance.npz").open("rb") as file:
        arrays: Any = np.load(file)
        means, bases = arrays["mean"].astype(np.float32), arrays["basis"].astype(np.float32)
    whole = np.zeros((_DIRECTIONS, _CELLS**2, PARTS, DIMENSIONS), np.float32)
    for part, (cells, basis) in enumerate(zip(PART_CELLS, bases, strict=True)):
        whole[:, cells, part] = basis.reshape(len(cells), _DIRECTIONS, DIMENSIONS).transpose(1, 0, 2)
    offset = (means[:, None] @ bases).ravel()
    return offset, whole.reshape(-1, PARTS * DIMENSIONS)
