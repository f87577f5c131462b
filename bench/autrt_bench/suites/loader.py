"""The training loaders alone: pictures a second without training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import cv2
import numpy as np

from autrt.errors import MissingDependencyError
from autrt.model.folder import Member
from autrt_bench.reporting.fingerprint import gpus
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Values
from autrt_train.loading.augment import AugmentConfig
from autrt_train.loading.loader import LOADERS, Loader, open_loader
from autrt_train.loading.loader_rate import loader_rate
from autrt_train.types import Index

SPEED: Final = Metric(name="speed", unit="pictures/s", better="higher")
PICTURES: Final = 512
JPEG_QUALITY: Final = 95


def loader(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure each loader on 112×112 JPEG files (the model's reference crops), with the paper's augmentation."""
    with TemporaryDirectory(prefix="autrt-bench-") as folder, ExitStack() as opened:
        index = _pictures(settings.model.members[0], Path(folder))
        cases: list[Case] = []
        for name in LOADERS:
            for device in ("cpu", "cuda") if name == "dali" and gpus() else ("cpu",):
                try:
                    loading = opened.enter_context(closing(open_loader(name, index, device=device)))
                except MissingDependencyError as error:
                    yield Skipped(f"{name} {device}", str(error))
                    continue
                cases.append(Case(f"{name} {device}", partial(_repeat, loading, index, settings.turn_s)))
        yield Group(cases=cases)


def _repeat(loading: Loader, index: Index, duration_s: float) -> Values:
    return {SPEED: loader_rate(loading, index, AugmentConfig(), duration_s=duration_s)}


def _pictures(member: Member, folder: Path) -> Index:
    """Return an index without labels of files of the member's reference crops, repeated."""
    with np.load(member.reference) as reference:
        crops = reference["pixels"]
    paths: list[bytes] = []
    for number in range(PICTURES):
        path = folder / f"{number:05d}.jpg"
        bgr = np.ascontiguousarray(crops[number % len(crops)][:, :, ::-1])
        cv2.imwrite(str(path), bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        paths.append(str(path).encode())
    return Index(
        paths=np.array(paths, np.bytes_),
        label_names=(),
        labels=np.empty((PICTURES, 0), np.int8),
        video=np.zeros(PICTURES, np.int32),
        video_names=("reference",),
        frame=np.arange(1, PICTURES + 1, dtype=np.int32),
        person=np.full(PICTURES, -1, np.int32),
    )
