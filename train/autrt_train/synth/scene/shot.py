"""One shot of a video: a background, people, one light and one camera; rendered frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from autrt.face.align import apply, invert
from autrt.template import EYE_DISTANCE_PX
from autrt.types import CROP_SIZE_PX, F32, F64
from autrt_train.synth.camera.camera import CameraFaults, draw_faults
from autrt_train.synth.camera.pinhole import FACE_DEPTH_CM, Pinhole, rotation, template
from autrt_train.synth.dataset.settings import SynthSettings
from autrt_train.synth.person.expression import Expression
from autrt_train.synth.person.face_motion import FaceMotion, Oscillation, draw_head, draw_oscillation
from autrt_train.synth.scene.background import draw_background, draw_colour, smooth_noise
from autrt_train.synth.scene.face import (
    FacePicture,
    FaceRenderer,
    Person,
    ShotConditions,
    draw_shot_conditions,
)
from autrt_train.synth.scene.overlay import move_box, paste

EYE_DISTANCE_CM: Final = 6.3
"""Distance between a face's eyes, the reference for sizes in a frame."""
HEAD_MARGIN_PX: Final = 78
"""Margin around the crop in crop pixels: room for hair and neck."""
UNIT_MIN, UNIT_MAX = 0.05, 0.15
"""Range of eye distances in a frame, as shares of the frame's height."""


@dataclass(frozen=True, slots=True)
class Actor:
    """One person of a video's cast."""

    number: int
    """Number of the person."""
    person: Person
    motion: FaceMotion


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Place, size and conditions of an actor in a shot."""

    actor: Actor
    conditions: ShotConditions
    head: Oscillation
    """Yaw, pitch and roll in degrees."""
    centre: Oscillation
    """Middle of the head in frame pixels."""
    unit_px: float
    """Eye distance in the frame, seen from the front."""
    clothes: F32
    """(H, W, 3) float32 RGB texture of shoulders and chest."""


@dataclass(frozen=True, slots=True)
class Shot:
    """Everything that is constant until the next cut."""

    behind: F32
    """(H, W, 3) float32 RGB."""
    placements: tuple[Placement, ...]
    """From the smallest, which is drawn first, to the largest."""
    faults: CameraFaults


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceLabels:
    """Ground truth of one face in one frame."""

    number: int
    box: F32
    """(4,) float32 frame pixels."""
    landmarks: F32
    """(5, 2) float32 frame pixels."""
    intensities: F32
    """(17,) float32."""


def draw_shot(rng: np.random.Generator, settings: SynthSettings, actors: list[Actor]) -> Shot:
    """Draw a background and a place for each actor, side by side in random order."""
    width, height = settings.width_px, settings.height_px
    placements = [
        _place_actor(rng, settings, actor, (slot + 0.5) * width / len(actors), width / len(actors))
        for slot, actor in enumerate(actors)
    ]
    faults = draw_faults(rng, replace(settings.camera, blur=False, spared=0.0, noise_max=4.0))
    # Faces need not be in the middle, where the light would be measured; and the light would flicker as they
    # move.
    grade = faults.grade and replace(faults.grade, pivot=None)
    return Shot(
        draw_background(rng, width, height),
        tuple(sorted(placements, key=lambda placement: placement.unit_px)),
        replace(faults, grade=grade, jpeg=None, coloured_noise=True),
    )


def draw_frame(
    rng: np.random.Generator, renderer: FaceRenderer, shot: Shot, time_s: float
) -> tuple[np.ndarray, list[FaceLabels]]:
    """Render one frame; return (H, W, 3) uint8 RGB and its faces."""
    picture = shot.behind.copy()
    seen: list[FaceLabels] = []
    for placement in shot.placements:
        face, matrix = _draw_face(renderer, placement, time_s)
        paste(picture, face.rgba, matrix)
        _draw_body(picture, placement, time_s)
        seen.append(
            FaceLabels(
                number=placement.actor.number,
                box=move_box(matrix, face.box),
                landmarks=apply(matrix, face.landmarks),
                intensities=face.intensities,
            )
        )
    return shot.faults.apply(rng, picture), seen


def _place_actor(
    rng: np.random.Generator, settings: SynthSettings, actor: Actor, middle_px: float, room_px: float
) -> Placement:
    height = settings.height_px
    largest = min(UNIT_MAX * height, room_px / 4.5)
    unit = rng.uniform(min(UNIT_MIN * height, 0.8 * largest), largest)
    # The head with its hair is some 2.4 eye distances wide and 3 high on either side of its middle.
    aside = max(0.0, room_px / 2 - 2.2 * unit)
    rest = np.array(
        [middle_px + rng.uniform(-aside, aside), rng.uniform(min(0.45 * height, 3.0 * unit), 0.55 * height)]
    )
    randomisation = settings.randomisation
    return Placement(
        actor=actor,
        conditions=replace(
            draw_shot_conditions(rng, actor.person, randomisation), distance_cm=rng.uniform(60, 200)
        ),
        head=draw_head(rng, randomisation),
        centre=draw_oscillation(rng, rest, np.array([0.35, 0.15]) * unit),
        unit_px=unit,
        clothes=_draw_clothes(rng, settings.width_px, settings.height_px),
    )


def _draw_face(renderer: FaceRenderer, placement: Placement, time_s: float) -> tuple[FacePicture, F64]:
    """Render a face about as large as it will appear; return it with the matrix from its picture to the frame."""
    expression = placement.actor.motion.at(time_s)
    yaw, pitch, roll = (float(v) for v in placement.head.at(time_s))
    conditions = placement.conditions.with_pose(yaw, pitch, roll)
    scale = float(np.clip(placement.unit_px / EYE_DISTANCE_PX, 0.5, 2))
    margin_px = round(HEAD_MARGIN_PX * scale)
    size_px = round(CROP_SIZE_PX * scale) + 2 * margin_px
    face = renderer.draw(placement.actor.person, expression, conditions, size_px=size_px, margin_px=margin_px)
    spin = rotation(yaw, pitch, roll)
    landmarks = _landmarks_cm(renderer, placement.actor.person, expression)
    aligned = Pinhole.aligned(spin, conditions.distance_cm, landmarks, template(size_px, margin_px)).matrix
    return face, _after(_to_frame(placement, time_s), invert(aligned))


def _landmarks_cm(renderer: FaceRenderer, person: Person, expression: Expression) -> F32:
    """Return the landmarks of a face in cm, (68, 3) float32, moved as by the renderer."""
    rows = renderer.rig.landmarks
    deltas = renderer.rig.expression_deltas[:, rows]
    return (person.shape[rows] + np.einsum("e,evc->vc", expression.weights, deltas)).astype(np.float32)


def _to_frame(placement: Placement, time_s: float) -> F64:
    """Return the (2, 3) matrix from the pinhole's own picture to the frame, where faces tilt and foreshorten."""
    scale = placement.unit_px / EYE_DISTANCE_CM * (placement.conditions.distance_cm - FACE_DEPTH_CM)
    x, y = placement.centre.at(time_s)
    return np.array([[scale, 0, x], [0, scale, y]])


def _after(second: F64, first: F64) -> F64:
    """Return the (2, 3) matrix that applies `first`, then `second`."""
    return second @ np.concatenate([first, [[0, 0, 1]]])


def _draw_clothes(rng: np.random.Generator, width: int, height: int) -> F32:
    """Return plain cloth with folds, (H, W, 3)."""
    cells = rng.uniform(6, 20)
    folds = smooth_noise(rng, (4 * cells, cells), width, height) - 0.5
    return (draw_colour(rng) * (1 + rng.uniform(0.05, 0.3) * folds[..., None])).astype(np.float32)


def _draw_body(picture: F32, placement: Placement, time_s: float) -> None:
    """Draw shoulders and chest over the lower end of the neck; they move less than the head."""
    unit = placement.unit_px
    x, y = 0.5 * (placement.centre.at(time_s) + placement.centre.rest)
    right = np.array([[0.0, 2.1], [0.4, 2.0], [0.65, 1.65], [1.3, 1.6], [2.3, 2.2], [3.0, 5.0]]) * unit + (
        x,
        y,
    )
    low = picture.shape[0] + unit
    left = right * (-1, 1) + (2 * x, 0)
    outline = np.concatenate([right, [[x + 3.2 * unit, low], [x - 3.2 * unit, low]], left[::-1]])
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    top = max(0, int(y + 1.5 * unit))
    share = mask[top:, :, None] * np.float32(1 / 255)
    picture[top:] += (placement.clothes[top:] - picture[top:]) * share
