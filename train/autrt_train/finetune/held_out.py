"""Logits of held-out people, picture by picture, for calibration and plots."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from autrt.storage.atomic_file import replacing
from autrt_train.finetune.cross_validate import HeldOutPredictions
from autrt_train.types import Index

HELD_OUT: Final = "held_out.npz"
"""Name of the file in a run's folder."""


def write_held_out(file: Path, index: Index, predictions: HeldOutPredictions) -> None:
    """Write `video`, `person`, `frame` (from 0), `labels` (N, A), `logit` (N, A) of single frames, and `au_names`.

    Args:
        file: the .npz file.
        index: N pictures with their labels.
        predictions: of layers that were trained without the people of the picture's fold.

    Raises:
        DiskFullError, ResultsError: the file cannot be written.
    """
    persons = [index.person_names[p] if p >= 0 else "" for p in index.person.tolist()]
    with replacing(file) as part, part.open("wb") as stream:
        np.savez_compressed(
            stream,
            video=np.array([index.video_names[video] for video in index.video.tolist()]),
            person=np.array(persons),
            frame=index.frame - 1,
            au_names=np.array(index.label_names),
            labels=index.labels,
            logit=predictions.logit,
        )
