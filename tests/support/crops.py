"""A face as the networks would see it."""

from __future__ import annotations

from autrt.face.align import Patch, patch_matrices
from autrt.template import ARCFACE_112
from autrt.types import CROP_SIZE_PX, F32, U8


def crop_of(patch: Patch, landmarks: F32) -> U8:
    """(112, 112, 3) uint8 RGB: the face in a patch, aligned by its (5, 2) landmarks in frame pixels."""
    return patch.image.warped(patch_matrices([patch], landmarks[None], ARCFACE_112)[0], CROP_SIZE_PX)
