"""Rendering of one face: a person, an expression and shot conditions to pixels and ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from autrt.types import F32, U8, ShapedRepr, check_array
from autrt_train.synth.camera.pinhole import Pinhole, five_points, rotation, template
from autrt_train.synth.camera.raster import divide_by_alpha, draw_triangles
from autrt_train.synth.dataset.randomisation import Randomisation
from autrt_train.synth.person.au_combinations import COLUMN_OF
from autrt_train.synth.person.expression import Expression
from autrt_train.synth.person.glasses import paint_glasses
from autrt_train.synth.person.hair import paint_hair
from autrt_train.synth.person.intensities import SYNTH_AUS
from autrt_train.synth.person.person import Person, draw_person, lip_gap
from autrt_train.synth.person.wrinkles import fold
from autrt_train.synth.rig.masks import masks_of
from autrt_train.synth.rig.mesh import apply_shapes, normals_and_hollows, rotate, sparse_shapes
from autrt_train.synth.rig.rig import Rig
from autrt_train.synth.scene.light import shade
from autrt_train.synth.scene.shot_conditions import CatchLight, ShotConditions, draw_shot_conditions

__all__ = [
    "FacePicture",
    "FaceRenderer",
    "Person",
    "Randomisation",
    "ShotConditions",
    "draw_person",
    "draw_shot_conditions",
]

SUPERSAMPLING: Final = 1.5
"""Samples per pixel and direction."""
LIPS_PARTED: Final = 0.002
"""`lip_gap` from which the inside of the mouth is drawn; behind closed lips, teeth would show through."""
MOUTH_BLACK: Final = 0.08
"""Brightness of the mouth at its darkest depth."""
SUNK_CM: Final = np.float32(0.25)
"""Distance that eyeballs go back under shut lids."""
INNER_LIPS: Final = [62, 66]
GLINT: Final = (225, 225, 225, 255)
NOTHING: Final = np.float32(-1e9)


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class FacePicture(ShapedRepr):
    """One rendered face, aligned, on a transparent background."""

    rgba: U8
    """(S, S, 4) uint8 RGB and straight alpha."""
    intensities: F32
    """(17,) float32 in the order of `SYNTH_AUS`, as drawn, but: AU25 the inner lips' gap over the eyes'
    distance, less the person's at rest; AU26 the weight of the open jaw; AU11 NaN."""
    landmarks: F32
    """(5, 2) float32 pixels, ArcFace's order."""
    box: F32
    """(4,) float32 x0, y0, x1, y1 in pixels: forehead to chin, ear to ear; may exceed the picture."""
    skin_rgb: F32
    """(3,) float32 0…255 mean colour of the cheeks in this light."""

    def __post_init__(self) -> None:
        check_array(self, "rgba", self.rgba, np.uint8, (None, None, 4))
        check_array(self, "intensities", self.intensities, np.float32, (len(SYNTH_AUS),))
        check_array(self, "landmarks", self.landmarks, np.float32, (5, 2))
        check_array(self, "box", self.box, np.float32, (4,))
        check_array(self, "skin_rgb", self.skin_rgb, np.float32, (3,))


class FaceRenderer:
    """Renders faces of one rig. Safe to call from several threads; the same arguments give the same picture."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._masks = masks_of(rig)
        self._shapes = sparse_shapes(rig)
        self._outer = np.ascontiguousarray(rig.triangles[: rig.outer_triangles])

    def draw(
        self,
        person: Person,
        expression: Expression,
        conditions: ShotConditions,
        size_px: int = 136,
        margin_px: int = 12,
    ) -> FacePicture:
        """Render a face.

        Args:
            person: shape and colours.
            expression: shape weights.
            conditions: pose, lens, light and hair.
            size_px: side of the picture.
            margin_px: margin around the aligned crop.
        """
        shapes = self._shapes
        head = apply_shapes(person.shape, expression.weights, shapes.starts, shapes.rows, shapes.deltas)
        landmarks = head[self.rig.landmarks]
        gap = lip_gap(landmarks)
        intensities = expression.intensities.copy()
        intensities[COLUMN_OF[25]] = gap - person.gap_at_rest
        intensities[COLUMN_OF[26]] = expression.weights[self.rig.at["jawOpen"]]

        self._sink_eyes(head, expression.weights)
        spin = rotation(conditions.yaw_deg, conditions.pitch_deg, conditions.roll_deg)
        pinhole = Pinhole.aligned(spin, conditions.distance_cm, landmarks, template(size_px, margin_px))
        head = rotate(head, spin)
        colours, skin_rgb = self._light(head, person, expression.intensities, conditions)
        fine_px = round(size_px * SUPERSAMPLING)
        fine = pinhole.scaled(fine_px / size_px)
        rgba, depth = self._rasterise(fine.view(head), colours, fine_px, parted=gap > LIPS_PARTED)
        if conditions.catch_light:
            self._glint(rgba, depth, head, fine, conditions.catch_light)
        if person.glasses:
            paint_glasses(rgba, person.glasses, person.shape[self.rig.landmarks], fine)
        paint_hair(rgba, conditions.hair, person.hair_rgb, fine, conditions.seed)
        return FacePicture(
            rgba=_shrink(rgba, size_px),
            intensities=intensities,
            landmarks=five_points(pinhole.project(landmarks)),
            box=self._box(head, pinhole),
            skin_rgb=skin_rgb,
        )

    def _rasterise(self, points: F32, colours: F32, size_px: int, *, parted: bool) -> tuple[U8, F32]:
        """Rasterise the bare head: (S, S, 4) uint8 RGBA and (S, S) float32 depth."""
        rgba = np.zeros((size_px, size_px, 4), np.uint8)
        depth = np.full((size_px, size_px), NOTHING)
        draw_triangles(points, self.rig.triangles if parted else self._outer, colours, rgba, depth)
        return rgba, depth

    def _sink_eyes(self, head: F32, weights: F32) -> None:
        """Move eyes back under closing lids, in place; lids differ from person to person and would show them."""
        for name, blink in (("left_eye", "eyeBlink_L"), ("right_eye", "eyeBlink_R")):
            head[self.rig.parts.of(name), 2] -= SUNK_CM * min(np.float32(1), weights[self.rig.at[blink]])

    def _light(
        self, head: F32, person: Person, intensities: F32, conditions: ShotConditions
    ) -> tuple[F32, F32]:
        """Return the (V, 3) colours of the rotated head, and the (3,) colour of its cheeks."""
        parts, light = self.rig.parts, conditions.light
        albedo = person.albedo.copy()
        fold(albedo[: parts.face], person.wrinkles, self._masks, intensities)
        normals, hollows = normals_and_hollows(head, self.rig.triangles)
        colours = shade(
            albedo, normals, hollows, light.lamps, light.ambient,
            np.float32(light.sky), np.float32(light.hollow), np.float32(light.exposure), parts.face,
        )  # fmt: skip
        lips = head[self.rig.landmarks[INNER_LIPS], 2].mean()
        for inside in (parts.of("mouth"), slice(parts.sockets, parts.teeth)):
            behind = lips - head[inside, 2]
            colours[inside] *= np.clip(1 - behind * np.float32(conditions.mouth_dark), MOUTH_BLACK, 1)[
                :, None
            ]
        colours[self.rig.eyeballs] *= np.float32(conditions.eye_shade)
        cheeks = self._masks.bare_cheek[normals[self._masks.bare_cheek, 2] > 0]
        skin = colours[cheeks].mean(0) if len(cheeks) else person.skin_rgb
        return colours, np.clip(skin, 0, 255).astype(np.float32)

    def _glint(self, rgba: U8, depth: F32, head: F32, pinhole: Pinhole, catch: CatchLight) -> None:
        """Reflect a lamp in each eye that is visible where the reflection would be."""
        for name in ("right_eye", "left_eye"):
            eye = head[self.rig.parts.of(name)]
            front = eye[eye[:, 2].argmax()]
            lamp = front + np.append(catch.offset_cm, np.float32(0))
            x, y = pinhole.view(lamp[None])[0, :2].round().astype(int)
            inside = 0 <= x < len(rgba) and 0 <= y < len(rgba)
            if inside and depth[y, x] <= front[2] + 0.05:
                radius = max(1, round(catch.radius_cm * pinhole.px_per_cm))
                cv2.circle(rgba, (int(x), int(y)), radius, GLINT, -1, cv2.LINE_AA)

    def _box(self, head: F32, pinhole: Pinhole) -> F32:
        points = pinhole.view(head[self.rig.parts.of("narrow")])[:, :2]
        return np.concatenate([points.min(0), points.max(0)])


def _shrink(rgba: U8, size_px: int) -> U8:
    """Average supersampled pixels and divide the colours by alpha."""
    small = np.asarray(cv2.resize(rgba, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)
    divide_by_alpha(small)
    return small
