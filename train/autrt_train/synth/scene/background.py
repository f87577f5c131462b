"""Procedural backgrounds: rooms, foliage, lights, patterns. No pictures are needed.

Sizes are relative to the shorter side, so that crops and whole video frames get the same kinds of background.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from autrt.types import F32

Draw = Callable[[np.random.Generator, int, int], F32]


def draw_background(rng: np.random.Generator, width_px: int, height_px: int) -> F32:
    """Draw a background, mostly out of focus.

    Returns:
        (height, width, 3) float32 RGB, 0…255.
    """
    kind = int(np.searchsorted(_CUMULATED, rng.random(), side="right"))
    picture = KINDS[kind][1](rng, width_px, height_px)
    if rng.random() < 0.75:
        blur_px = rng.uniform(0.003, 0.05) * min(width_px, height_px)
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), blur_px), np.float32)
    picture = picture * np.float32(rng.uniform(0.5, 1.15))
    return np.clip(picture, 0, 255).astype(np.float32)


def draw_colour(rng: np.random.Generator) -> F32:
    """Draw a muted colour, (3,) float32 RGB 0…255; one in eight is vivid."""
    strength = rng.uniform(0.6, 1.2) if rng.random() < 0.125 else rng.beta(1.2, 4)
    tint = rng.uniform(-1, 1, 3)
    return np.clip(rng.uniform(8, 245) * (1 + strength * tint), 0, 255).astype(np.float32)


def smooth_noise(
    rng: np.random.Generator, cells: tuple[float, float], width_px: int, height_px: int, channels: int = 1
) -> F32:
    """Interpolate random values 0…1 on a grid of `cells` (across, down): (height, width[, channels]) float32."""
    across, down = (max(2, round(n)) for n in cells)
    grid = rng.random((down, across, channels), np.float32)
    return np.asarray(cv2.resize(grid, (width_px, height_px), interpolation=cv2.INTER_CUBIC), np.float32)


def _flat(rng: np.random.Generator, width: int, height: int) -> F32:
    return np.full((height, width, 3), draw_colour(rng), np.float32)


def _gradient(rng: np.random.Generator, width: int, height: int) -> F32:
    """Draw two colours that change along a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(np.cos(angle))
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    share = np.clip(0.5 + 0.5 * (x + y), 0, 1)[..., None] ** np.float32(rng.uniform(0.5, 2))
    a = draw_colour(rng)
    b = a * np.float32(rng.uniform(0.3, 1.7)) if rng.random() < 0.6 else draw_colour(rng)
    return (a + (b - a) * share).astype(np.float32)


def _clouds(rng: np.random.Generator, width: int, height: int) -> F32:
    """Draw coloured noise of several octaves around one colour."""
    picture = np.full((height, width, 3), draw_colour(rng), np.float32)
    cells, strength = rng.uniform(2, 5), rng.uniform(30, 150)
    for _ in range(int(rng.integers(1, 4))):
        grey = rng.random() < 0.5
        noise = smooth_noise(rng, (cells * width / height, cells), width, height, 1 if grey else 3)
        picture += np.float32(strength) * ((noise[..., None] if grey else noise) - 0.5)
        cells, strength = cells * rng.uniform(2, 3), strength * rng.uniform(0.4, 0.8)
    return picture


def _room(rng: np.random.Generator, width: int, height: int) -> F32:
    """Draw a wall with uneven light, perhaps a floor, and furniture: blocks with an edge, shelves or panes."""
    picture = (0.3 * _gradient(rng, width, height) + 0.7 * draw_colour(rng)).astype(np.float32)
    if rng.random() < 0.4:
        picture[int(height * rng.uniform(0.6, 0.95)) :] = draw_colour(rng)
    for _ in range(int(rng.integers(1, 8))):
        x, y = rng.uniform(-0.2, 1.0, 2) * (width, height)
        w, h = rng.uniform(0.1, 0.7, 2) * min(width, height)
        _block(rng, picture, (round(x), round(y)), (round(x + w), round(y + h)))
    return picture


def _block(rng: np.random.Generator, picture: F32, low: tuple[int, int], high: tuple[int, int]) -> None:
    colour = draw_colour(rng)
    cv2.rectangle(picture, low, high, colour.tolist(), -1)
    edge = max(1, min(picture.shape[:2]) // 60)
    cv2.rectangle(picture, low, high, (colour * np.float32(rng.uniform(0.3, 1.3))).tolist(), edge)
    if rng.random() < 0.35:
        _shelves(rng, picture, low, high)


def _shelves(rng: np.random.Generator, picture: F32, low: tuple[int, int], high: tuple[int, int]) -> None:
    """Draw upright slabs side by side: books, panes, slats."""
    x, step = low[0], max(2, (high[0] - low[0]) // int(rng.integers(3, 16)))
    base = draw_colour(rng)
    while x < high[0]:
        colour = draw_colour(rng) if rng.random() < 0.5 else base * np.float32(rng.uniform(0.5, 1.5))
        right = min(high[0], x + max(1, round(step * rng.uniform(0.4, 1.2))))
        top = round(low[1] + (high[1] - low[1]) * rng.uniform(0, 0.3))
        cv2.rectangle(picture, (x, top), (right, high[1]), colour.tolist(), -1)
        x = right + 1


def _shapes(rng: np.random.Generator, width: int, height: int) -> F32:
    """Draw ellipses and rotated boxes of any colour: blurred, they pass for a crowd, a desk, a street."""
    picture = _gradient(rng, width, height)
    for _ in range(int(rng.integers(4, 26))):
        centre = tuple((rng.uniform(0, 1, 2) * (width, height)).tolist())
        size = tuple((rng.uniform(0.05, 0.5, 2) * min(width, height)).tolist())
        box = (centre, size, rng.uniform(0, 180))
        colour = draw_colour(rng).tolist()
        if rng.random() < 0.5:
            cv2.ellipse(picture, box, colour, -1, cv2.LINE_AA)
        else:
            cv2.fillPoly(picture, [cv2.boxPoints(box).astype(np.int32)], colour, cv2.LINE_AA)
    return picture


def _bokeh(rng: np.random.Generator, width: int, height: int) -> F32:
    """Draw discs of light on a dark ground."""
    picture = _gradient(rng, width, height) * np.float32(0.35)
    radius = rng.uniform(0.02, 0.12) * min(width, height)
    for _ in range(int(rng.integers(5, 40))):
        centre = [round(v) for v in (rng.uniform(0, 1, 2) * (width, height)).tolist()]
        disc = np.zeros_like(picture)
        cv2.circle(
            disc, centre, max(1, round(radius * rng.uniform(0.6, 1.4))), draw_colour(rng).tolist(), -1, 16
        )
        picture += disc * np.float32(rng.uniform(0.3, 1.2))
    return picture


def _stripes(rng: np.random.Generator, width: int, height: int) -> F32:
    """Draw stripes, as of blinds, curtains and planks; crossed, as of tiles and bricks."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.08)
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    period = np.float32(rng.uniform(0.04, 0.4) * min(width, height))
    wave = np.sin(along * (2 * np.pi / period)) * np.float32(rng.uniform(1, 8))
    if rng.random() < 0.35:
        across = -x * np.float32(np.sin(angle)) + y * np.float32(np.cos(angle))
        wave = np.maximum(wave, np.sin(across * (2 * np.pi / period / rng.uniform(0.5, 3))) * 8)
    share = np.clip(wave * 0.5 + 0.5, 0, 1)[..., None] * np.float32(rng.uniform(0.1, 0.7))
    return _gradient(rng, width, height) * (1 - share) + draw_colour(rng) * share


def _outdoors(rng: np.random.Generator, width: int, height: int) -> F32:
    """Draw a sky above foliage or stone, with an uneven border."""
    sky = np.array([150, 180, 215], np.float32) * np.float32(rng.uniform(0.5, 1.15)) + draw_colour(rng) * 0.15
    ground = np.array([[70, 90, 45], [110, 95, 70], [120, 118, 112], [60, 75, 60]][int(rng.integers(4))])
    cells = rng.uniform(10, 40)
    leaves = smooth_noise(rng, (cells * width / height, cells), width, height)[..., None]
    picture = ground.astype(np.float32) * (np.float32(0.3) + np.float32(rng.uniform(0.6, 1.6)) * leaves)
    border = smooth_noise(rng, (6, 2), width, height) * rng.uniform(0.1, 0.6) + rng.uniform(-0.3, 0.9)
    above = np.linspace(0, 1, height, dtype=np.float32)[:, None] < border
    picture[above] = sky
    return picture.astype(np.float32)


KINDS: Final[tuple[tuple[float, Draw], ...]] = (
    (0.10, _flat), (0.14, _gradient), (0.16, _clouds), (0.24, _room),
    (0.12, _shapes), (0.05, _bokeh), (0.09, _stripes), (0.10, _outdoors),
)  # fmt: skip
"""Probability and painter of each kind of background."""

_CUMULATED: Final = np.cumsum([share for share, _ in KINDS])[:-1]
