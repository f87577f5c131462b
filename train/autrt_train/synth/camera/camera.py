"""Faults of a camera and its codec: blur, noise, colours, compression.

Faults are drawn first and applied afterwards, so that a whole shot can share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from autrt.types import F32, U8
from autrt_train.synth.camera.grade import Grade, draw_grade
from autrt_train.synth.scene.background import smooth_noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Randomisation around a face; each group can be switched off."""

    background: bool = True
    """Procedural backgrounds instead of plain grey."""
    shadow: bool = True
    """Cast shadows."""
    occluder: bool = True
    """Occluders in front of the face."""
    blur: bool = True
    """Defocus, motion, low resolution, over-sharpening."""
    sensor: bool = True
    """Noise and JPEG."""
    colour: bool = True
    """Gamma, white balance, contrast, saturation, grey, vignette."""
    spared: float = 0.5
    """Share of pictures without blur and sensor faults, because strong faults hide movements of 1 to 3 pixels."""
    noise_max: float = 9.0
    """Largest standard deviation of the noise, in grey levels."""
    jpeg_min: int = 30
    """Lowest JPEG quality."""


FULL: Final = Camera()
CLEAN: Final = Camera(
    shadow=False, occluder=False, blur=False, colour=False, spared=0.0, noise_max=3.0, jpeg_min=85
)
"""Settings of a clean hold-out set: no occluders, mild sensor noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFaults:
    """Faults of one picture or one shot; None and 0 mean none."""

    motion_px: tuple[float, float] | None = None
    """x, y of the movement during exposure."""
    defocus_px: float = 0.0
    """Standard deviation of the blur."""
    sharpening: float = 0.0
    grade: Grade | None = None
    resolution: float = 1.0
    """Resolution of the sensor along a side, as a share of the picture's."""
    noise: float = 0.0
    """Standard deviation of the noise in grey levels."""
    coloured_noise: bool = False
    jpeg: int | None = None

    def apply(self, rng: np.random.Generator, image: F32) -> U8:
        """Apply the faults to a float32 RGB picture 0…255; return (H, W, 3) uint8 RGB."""
        height, width = image.shape[:2]
        image = self._focus(image)
        image = image if self.grade is None else self.grade.apply(image)
        if self.resolution < 1:
            small = (max(20, round(width * self.resolution)), max(20, round(height * self.resolution)))
            image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.float32)
        if self.noise:
            shape = (*image.shape[:2], 3 if self.coloured_noise else 1)
            image = (image + rng.standard_normal(shape, np.float32) * np.float32(self.noise)).astype(
                np.float32
            )
        pixels = np.rint(np.clip(image, 0, 255)).astype(np.uint8)
        pixels = pixels if self.jpeg is None else _through_jpeg(pixels, self.jpeg)
        return np.asarray(cv2.resize(pixels, (width, height)), np.uint8) if self.resolution < 1 else pixels

    def _focus(self, image: F32) -> F32:
        if self.motion_px is not None:
            image = np.asarray(cv2.filter2D(image, -1, _motion_kernel(*self.motion_px)), np.float32)
        if self.defocus_px:
            image = _blurred(image, self.defocus_px)
        if self.sharpening:
            image = (image + (image - _blurred(image, 1.0)) * np.float32(self.sharpening)).astype(np.float32)
        return image


def draw_faults(rng: np.random.Generator, camera: Camera) -> CameraFaults:
    """Draw the faults of one picture or one shot."""
    marred = rng.random() >= camera.spared
    grade = draw_grade(rng) if camera.colour and rng.random() < 0.7 else None
    blurred, sensing = marred and camera.blur, marred and camera.sensor
    motion = rng.normal(0, 1.3, 2) if blurred and rng.random() < 0.07 else None
    defocus = rng.uniform(0.3, 1.2) if blurred and rng.random() < 0.35 else 0.0
    return CameraFaults(
        motion_px=None if motion is None else (float(motion[0]), float(motion[1])),
        defocus_px=defocus,
        sharpening=rng.uniform(0.2, 1.2) if blurred and not defocus and rng.random() < 0.25 else 0.0,
        grade=grade,
        resolution=rng.uniform(0.35, 0.9) if blurred and rng.random() < 0.3 else 1.0,
        noise=rng.uniform(1, camera.noise_max) if sensing and rng.random() < 0.5 else 0.0,
        coloured_noise=bool(rng.random() < 0.5),
        jpeg=int(rng.integers(camera.jpeg_min, 96)) if sensing and rng.random() < 0.6 else None,
    )


def cast_shadow(rng: np.random.Generator, width_px: int, height_px: int) -> F32:
    """Return the share of light that a shadow with soft or hard edges leaves, (height, width, 1) float32, 0…1."""
    cells = rng.uniform(2, 6)
    noise = smooth_noise(rng, (cells, cells), width_px, height_px) - 0.5
    shade = np.clip(noise * np.float32(rng.uniform(1.5, 10)) + 0.5, 0, 1)[..., None]
    return 1 - np.float32(rng.uniform(0.15, 0.6)) * shade


def _motion_kernel(x: float, y: float) -> F32:
    """Return the kernel of a movement by (x, y) pixels, centred so that it blurs without shifting."""
    reach = max(1, int(np.ceil(max(abs(x), abs(y)) / 2)))
    pixel, moment = np.arange(-reach, reach + 1)[:, None], np.linspace(-0.5, 0.5, 33)
    across, down = (np.maximum(0, 1 - np.abs(pixel - v * moment)) for v in (x, y))
    return (down @ across.T / len(moment)).astype(np.float32)


def _blurred(image: F32, sigma_px: float) -> F32:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.float32)


def _through_jpeg(pixels: U8, quality: int) -> U8:
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)
