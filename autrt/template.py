"""Alignment templates: positions of the 5 landmarks in an aligned crop."""

from __future__ import annotations

from typing import Final

import numpy as np

from autrt.types import F32

ARCFACE_112: Final[F32] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float32,
)
"""(5, 2) float32 x, y in a 112×112 crop: eye, eye, nose tip, mouth corners, left to right (Deng et al. 2019)."""

MIRRORED: Final = (1, 0, 2, 4, 3)
"""Order of the 5 landmarks after mirroring left and right."""

EYE_DISTANCE_PX: Final = float(np.linalg.norm(ARCFACE_112[1] - ARCFACE_112[0]))
"""Distance between the template's eyes, 35.2 crop pixels: the unit of landmark errors."""

TEMPLATES: Final = {"arcface-112": ARCFACE_112}
"""Name in a model folder → template."""
