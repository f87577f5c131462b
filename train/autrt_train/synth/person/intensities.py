"""Labels from intensities of Action Units."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autrt.types import F32
from autrt_train.types import I8, MISSING

SYNTH_AUS: Final = (
    "AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU11", "AU12", "AU15", "AU17", "AU20", "AU23",
    "AU24", "AU25", "AU26",
)  # fmt: skip
"""AUs of a rendered face, in the order of all intensity arrays. The rig has no shape for AU11: NaN."""

RAMP: Final = (0.15, 0.35)
LIP_GAP_RAMP: Final = (0.015, 0.04)
JAW_RAMP: Final = (0.06, 0.14)
"""Intensities at which the soft label leaves 0 and reaches 1: most AUs; AU25, the gap between the lips over the
distance of the eyes, beyond the person's gap at rest; AU26, the weight of the open jaw."""

_RAMPS: Final = np.array(
    [{"AU25": LIP_GAP_RAMP, "AU26": JAW_RAMP}.get(name, RAMP) for name in SYNTH_AUS], np.float32
)


def soft_targets(intensities: NDArray[np.floating[Any]]) -> F32:
    """Return soft labels of `FacePicture.intensities`, (…, 17) float32: a ramp from 0 to 1; NaN stays NaN."""
    start, end = _RAMPS.T
    return np.clip((intensities - start) / (end - start), 0, 1).astype(np.float32)


def hard_labels(intensities: NDArray[np.floating[Any]]) -> I8:
    """Return (…, 17) int8 labels of `FacePicture.intensities`: 1 where the soft label is at least ½, else 0."""
    soft = soft_targets(intensities)
    return np.where(np.isnan(soft), MISSING, np.where(np.nan_to_num(soft) >= 0.5, 1, 0)).astype(np.int8)
