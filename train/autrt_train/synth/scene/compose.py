"""Composition of a picture: background, face, occluder, and the camera."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from autrt.face.align import apply
from autrt.types import F32, F64, U8
from autrt_train.synth.camera.camera import Camera, cast_shadow, draw_faults
from autrt_train.synth.scene.background import draw_background
from autrt_train.synth.scene.draw_occluder import draw_cover, draw_occluder
from autrt_train.synth.scene.face import FacePicture
from autrt_train.synth.scene.overlay import move_box, over, warp_rgba
from autrt_train.synth.scene.paint_occluder import FacePlace, Occluder

PLAIN: Final = 110.0
"""Grey of the background where backgrounds are switched off."""
SHADOWED, OCCLUDED, BARE_SKIN = 0.25, 0.15, 0.3
"""Probabilities of a shadow on a face, an occluder, and a hand in a picture without a face."""


@dataclass(frozen=True, slots=True)
class Composition:
    """A composed picture."""

    pixels: U8
    """(S, S, 3) uint8 RGB."""
    hidden_upper: float = 0.0
    """Hidden share of eyes and brows, 0…1."""
    hidden_lower: float = 0.0
    """Hidden share of the mouth, 0…1."""


def compose(
    rng: np.random.Generator, face: FacePicture, camera: Camera, *, covered: bool = False
) -> Composition:
    """Compose a face into a scene and apply the camera's faults.

    Args:
        rng: source of all random numbers.
        face: the drawn face.
        camera: randomisation around the face.
        covered: hide nearly all of the face.
    """
    size = len(face.rgba)
    image = over(face.rgba, _behind(rng, size, camera))
    if camera.shadow and rng.random() < SHADOWED:
        image *= cast_shadow(rng, size, size)
    occluder = _before(rng, face, camera, covered)
    if occluder is not None:
        image = occluder.over(image)
    pixels = draw_faults(rng, camera).apply(rng, image)
    if occluder is None:
        return Composition(pixels)
    place = FacePlace(size, face.landmarks)
    return Composition(pixels, occluder.hides(place.upper()), occluder.hides(place.lower()))


def compose_empty(rng: np.random.Generator, size_px: int, camera: Camera, skin_rgb: F32) -> Composition:
    """Compose a background without a face; sometimes with a hand."""
    image = _behind(rng, size_px, camera)
    if camera.occluder and rng.random() < BARE_SKIN:
        centre = np.float32(size_px / 2)
        eyes_to_mouth = np.array([[-18, -20], [18, -20], [0, 0], [-15, 20], [15, 20]], np.float32)
        image = draw_occluder(rng, FacePlace(size_px, centre + eyes_to_mouth), skin_rgb).over(image)
    return Composition(draw_faults(rng, camera).apply(rng, image))


def misplaced(rng: np.random.Generator, face: FacePicture, size_px: int) -> FacePicture:
    """Misplace a face as a bad crop does: far off the middle, far too large or small, or far too rotated.

    Args:
        rng: source of all random numbers.
        face: drawn with so much margin that its surroundings are there when it moves.
        size_px: side of the picture wanted; a well-placed face has its centre in the picture's.
    """
    drawn = len(face.rgba)
    scale, turn_rad, shift = _gross_error(rng)
    c, s = scale * np.cos(turn_rad), scale * np.sin(turn_rad)
    linear = np.array([[c, -s], [s, c]])
    middle = np.full(2, (drawn - 1) / 2)
    offset = np.full(2, (size_px - 1) / 2) + shift - linear @ middle
    return warp_face(face, np.concatenate([linear, offset[:, None]], axis=1), size_px)


def warp_face(face: FacePicture, matrix: F64, size_px: int) -> FacePicture:
    """Warp a face by a (2, 3) similarity into another square picture."""
    return replace(
        face,
        rgba=warp_rgba(face.rgba, matrix, size_px, size_px),
        landmarks=apply(matrix, face.landmarks),
        box=move_box(matrix, face.box),
    )


def _gross_error(rng: np.random.Generator) -> tuple[float, float, F64]:
    """Draw scale, rotation (radians) and shift (crop pixels) of a grossly wrong crop."""
    scale, turn_rad = float(np.exp(rng.normal(0, 0.15))), rng.normal(0, 0.15)
    shift = rng.normal(0, 5, 2)
    kind = rng.random()
    if kind < 0.5:
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(34, 90)
        shift = distance * np.array([np.cos(angle), np.sin(angle)])
    elif kind < 0.65:
        scale = rng.uniform(0.25, 0.55)
    elif kind < 0.8:
        scale = rng.uniform(1.9, 3.5)
    else:
        turn_rad = rng.uniform(0.8, np.pi) * rng.choice([-1, 1])
    return scale, turn_rad, shift


def _behind(rng: np.random.Generator, size_px: int, camera: Camera) -> F32:
    if camera.background:
        return draw_background(rng, size_px, size_px)
    return np.full((size_px, size_px, 3), PLAIN, np.float32)


def _before(rng: np.random.Generator, face: FacePicture, camera: Camera, covered: bool) -> Occluder | None:
    place, skin = FacePlace(len(face.rgba), face.landmarks), np.asarray(face.skin_rgb, np.float32)
    if covered:
        return draw_cover(rng, place, skin)
    if camera.occluder and rng.random() < OCCLUDED:
        return draw_occluder(rng, place, skin)
    return None
