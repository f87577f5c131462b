"""Glasses: round or square frames, clear or dark, worn by some people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator

from autrt.types import F32, U8
from autrt_train.synth.camera.lines import draw_line, fill_outline
from autrt_train.synth.camera.pinhole import Pinhole
from autrt_train.synth.rig.parts import LEFT_EYE, RIGHT_EYE

WORN: Final = 0.16
"""Share of people who wear glasses."""
DARK: Final = 0.15
"""Share of glasses that are dark."""
CORNERS: Final = 40
BELOW_EYE_CM, BEFORE_EYE_CM = 0.25, 1.6
BRIDGE: Final = 27
OUTER_CORNERS: Final = ((-1.0, 36), (1.0, 45))
"""Sign of x and landmark of each eye's outer corner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glasses:
    """One pair of glasses."""

    half_width_cm: float
    half_height_cm: float
    rim_cm: float
    grey: float
    """Brightness of the frame, 0…255."""
    roundness: float
    """1: an ellipse; less: more square."""
    lens_grey: float
    opacity: float
    """Opacity of the lenses."""


def draw_glasses(rng: Generator) -> Glasses | None:
    """Draw a random pair, or none."""
    worn, dark, square = rng.random() < WORN, rng.random() < DARK, rng.random() < 0.5
    glasses = Glasses(
        half_width_cm=rng.uniform(1.7, 2.7),
        half_height_cm=rng.uniform(1.2, 2.4),
        rim_cm=rng.uniform(0.15, 0.7),
        grey=rng.uniform(0, 110),
        roundness=0.55 if square else 1.0,
        lens_grey=16 if dark else rng.uniform(100, 255),
        opacity=rng.uniform(0.35, 0.9) if dark else rng.uniform(0, 0.12),
    )
    return glasses if worn else None


def paint_glasses(rgba: U8, glasses: Glasses, landmarks: F32, pinhole: Pinhole) -> None:
    """Paint glasses into a picture.

    Args:
        rgba: (S, S, 4) uint8, colours multiplied by alpha; drawn into.
        glasses: the pair.
        landmarks: (68, 3) float32 cm of the person's neutral head, on which the glasses sit.
        pinhole: into the picture's pixels.
    """
    rims = [pinhole.project(_rim(glasses, landmarks[eye].mean(0))) for eye in (RIGHT_EYE, LEFT_EYE)]
    lenses = rgba.copy()
    for rim in rims:
        fill_outline(lenses, rim, (*[glasses.lens_grey] * 3, 255))
    cv2.addWeighted(lenses, glasses.opacity, rgba, 1 - glasses.opacity, 0, dst=rgba)
    bridge = pinhole.project(landmarks[BRIDGE] + np.array([0, -0.3, 0.9], np.float32))
    ends = [rim[np.abs(rim - bridge).sum(1).argmin()] for rim in rims]
    arms = [_arm(side, landmarks[corner]) for side, corner in OUTER_CORNERS]
    frame, thickness = (*[glasses.grey] * 3, 255.0), glasses.rim_cm * pinhole.px_per_cm
    for rim in rims:
        draw_line(rgba, rim, frame, thickness, closed=True)
    for line in (np.stack([ends[0], bridge, ends[1]]), *(pinhole.project(arm) for arm in arms)):
        draw_line(rgba, line, frame, thickness)


def _rim(glasses: Glasses, eye: F32) -> F32:
    """Return the rim before an eye, (`CORNERS`, 3) cm: a rounded rectangle, bent back at the temple."""
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    across, up = np.cos(angle), np.sin(angle)
    side = np.sign(eye[0])
    x = eye[0] + 0.15 * side + glasses.half_width_cm * np.sign(across) * np.abs(across) ** glasses.roundness
    y = eye[1] - BELOW_EYE_CM + glasses.half_height_cm * np.sign(up) * np.abs(up) ** glasses.roundness
    bend = np.where(across * side > 0, 0.12 * (across + 0.3 * side) ** 2, 0)
    return np.stack([x, y, eye[2] + BEFORE_EYE_CM - bend], 1).astype(np.float32)


def _arm(side: float, corner: F32) -> F32:
    """Return an arm, (2, 3) cm, from the rim past the temple."""
    steps = np.array([[1.1 * side, 0.2, 0.8], [3.2 * side, 0.3, -8]], np.float32)
    return corner + steps
