"""All pictures of one person, with their labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from autrt.types import CROP_SIZE_PX, F32, U8
from autrt_train.synth.dataset.settings import COMPOSITIONS, CROP_MARGIN_PX, SynthSettings
from autrt_train.synth.person.expression import SYNTH_AUS, draw_expression, hard_labels, soft_targets
from autrt_train.synth.scene.compose import Composition, compose, compose_empty, misplaced
from autrt_train.synth.scene.face import FacePicture, FaceRenderer, draw_person, draw_shot_conditions
from autrt_train.types import I8, MISSING

SIZE_PX: Final = CROP_SIZE_PX + 2 * CROP_MARGIN_PX
WIDE_MARGIN_PX: Final = 62
"""Margin of a face that will be misplaced, so that a shifted crop still shows its surroundings."""
HIDDEN: Final = 0.5
"""Share of eyes or mouth that must be hidden for the labels of that half of the face to be unknown."""

UPPER: Final = np.array([int(name[2:]) <= 7 for name in SYNTH_AUS])
"""(17,) True for AUs of brows, lids and cheeks; the others are at nose, mouth and chin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """One picture with its labels."""

    pixels: U8
    """(136, 136, 3) uint8 RGB."""
    intensity: F32
    """(17,) float32 in the order of `SYNTH_AUS`; NaN where there is no face or no shape."""
    label: I8
    """(17,) int8."""
    target: F32
    """(17,) float32 soft labels, NaN where unknown."""
    expression: int
    """Number of the class, or −1."""
    landmarks: F32
    """(5, 2) float32 crop pixels; NaN if no face is in the crop."""
    box: F32
    """(4,) float32 crop pixels; NaN likewise."""
    presence: int
    """1: a well-placed face; 0: none."""


def draw_stills(renderer: FaceRenderer, settings: SynthSettings, person: int) -> Iterator[Still]:
    """Yield the pictures of one person, which do not depend on the other people."""
    rng = np.random.default_rng([settings.seed, person])
    shares = settings.shares
    limits = np.cumsum([shares.misplaced, shares.empty, shares.covered])
    drawn_person = draw_person(rng, renderer.rig, settings.randomisation)
    for _ in range(settings.per_person):
        kind = int(np.searchsorted(limits, rng.random(), side="right"))
        expression = draw_expression(rng, renderer.rig, settings.randomisation)
        conditions = draw_shot_conditions(rng, drawn_person, settings.randomisation)
        margin_px = WIDE_MARGIN_PX if kind == 0 else CROP_MARGIN_PX
        face = renderer.draw(
            drawn_person, expression, conditions, size_px=CROP_SIZE_PX + 2 * margin_px, margin_px=margin_px
        )
        for _ in range(COMPOSITIONS):
            if kind == 0:
                bad = misplaced(rng, face, SIZE_PX)
                yield _absent(compose(rng, bad, settings.camera), bad)
            elif kind == 1:
                yield _absent(compose_empty(rng, SIZE_PX, settings.camera, face.skin_rgb), None)
            elif kind == 2:
                yield _absent(compose(rng, face, settings.camera, covered=True), face)
            else:
                yield _present(compose(rng, face, settings.camera), face, expression.category)


def _present(picture: Composition, face: FacePicture, category: int) -> Still:
    """Return a picture with a well-placed face; AUs of a hidden half are unknown."""
    unseen = np.where(UPPER, picture.hidden_upper, picture.hidden_lower) >= HIDDEN
    intensity = face.intensities.astype(np.float32)
    target, label = soft_targets(intensity), hard_labels(intensity)
    target[unseen], label[unseen] = np.nan, MISSING
    return Still(
        pixels=picture.pixels,
        intensity=intensity,
        label=label,
        target=target,
        expression=MISSING if unseen.any() else category,
        landmarks=face.landmarks - np.float32(CROP_MARGIN_PX),
        box=face.box - np.float32(CROP_MARGIN_PX),
        presence=1,
    )


def _absent(picture: Composition, face: FacePicture | None) -> Still:
    """Return a picture without a well-placed face; with landmarks if at least one lies in the crop."""
    unknown = np.full(len(SYNTH_AUS), np.nan, np.float32)
    landmarks, box = np.full((5, 2), np.nan, np.float32), np.full(4, np.nan, np.float32)
    if face is not None:
        points = face.landmarks - np.float32(CROP_MARGIN_PX)
        if ((points >= 0) & (points <= CROP_SIZE_PX - 1)).all(1).any():
            landmarks, box = points, face.box - np.float32(CROP_MARGIN_PX)
    label = np.full(len(SYNTH_AUS), MISSING, np.int8)
    return Still(
        pixels=picture.pixels,
        intensity=unknown,
        label=label,
        target=unknown,
        expression=MISSING,
        landmarks=landmarks,
        box=box,
        presence=0,
    )
