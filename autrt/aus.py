"""Action Units: names, orders, and the movement of each in the Facial Action Coding System (FACS)."""

from __future__ import annotations

from typing import Final

ABAW_AUS: Final = (
    "AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU15", "AU23", "AU24", "AU25", "AU26",
)  # fmt: skip
"""The 12 AUs of Aff-Wild2's AU challenge, in the column order of its files, which 12-AU models here share."""

AU15_AUS: Final = (
    "AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU11", "AU12", "AU15", "AU17", "AU20", "AU24", "AU26",
)  # fmt: skip
"""The 15 AUs of the paper's additional AU set (its third pretrained start)."""

AU_MEANING: Final[dict[str, str]] = {
    "AU1": "inner brow raiser",
    "AU2": "outer brow raiser",
    "AU4": "brow lowerer",
    "AU5": "upper lid raiser",
    "AU6": "cheek raiser",
    "AU7": "lid tightener",
    "AU9": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU11": "nasolabial deepener",
    "AU12": "lip corner puller",
    "AU15": "lip corner depressor",
    "AU17": "chin raiser",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU24": "lip pressor",
    "AU25": "lips part",
    "AU26": "jaw drop",
}
"""AU name → its movement."""

AUTHORS_WINDOWS: Final[dict[str, int]] = {"AU2": 24, "AU25": 24, "AU23": 1}
"""Smoothing windows of the paper's authors in frames at 30 frames/s; every other AU has `DEFAULT_WINDOW`."""

DEFAULT_WINDOW: Final = 10
"""Frames at 30 frames/s."""


def authors_windows(au_names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the smoothing window of each AU, in frames at 30 frames/s (Jiang et al. 2022, authors' setting)."""
    return tuple(AUTHORS_WINDOWS.get(name, DEFAULT_WINDOW) for name in au_names)
