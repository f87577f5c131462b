"""A face as the networks would see it."""

from __future__ import annotations

from fractions import Fraction

from autrt.face.align import crop_matrix, cut_patches, patch_matrices
from autrt.template import ARCFACE_112
from autrt.types import CROP_SIZE_PX, F32, U8, Image, Patch


def cut_patch(image: Image, landmarks: F32, pixel_aspect: Fraction = Fraction(1)) -> Patch:
    """The patch around one face with (5, 2) landmarks in frame pixels."""
    matrices = crop_matrix(landmarks[None], ARCFACE_112, pixel_aspect)
    return cut_patches([image], matrices, pixel_aspect)[0]


def crop_of(patch: Patch, landmarks: F32) -> U8:
    """(112, 112, 3) uint8 RGB: the face in a patch, aligned by its (5, 2) landmarks in frame pixels."""
    matrices = crop_matrix(landmarks[None], ARCFACE_112, patch.pixel_aspect)
    return patch.image.warped(patch_matrices([patch], matrices)[0], CROP_SIZE_PX)
