"""The answers about people who were left out, picture by picture, for those who want to calibrate or plot them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from autrt.results.part import replacing
from autrt_train.finetune.crossfit import Answers
from autrt_train.types import Index

HELD_OUT: Final = "held_out.npz"


def write_held_out(file: Path, index: Index, answers: Answers) -> None:
    """Write `video`, `person`, `frame` (from 0), `labels` (N, A), `logit` (N, A) of single frames, and `au_names`.

    Args:
        file: the .npz.
        index: N pictures with their labels.
        answers: of layers that had seen nobody of the picture's fold.

    Raises:
        DiskFullError, ResultsError: it cannot be written.
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
            logit=answers.logit,
        )
