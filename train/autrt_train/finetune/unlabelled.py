"""Uncoded faces with another tool's opinion: packs of aligned crops (.npz) as pictures on disk and their index.

A pack holds `jpeg` (uint8, whole JPEG files one after another) with `offset` (int64, n + 1), square pictures whose
middle 112×112 pixels are the crop in the ArcFace template; `path` (where each is from: the file, for a video the
same for all its frames); `blend` (n, k) values from 0 to 1, and their `names` (k), MediaPipe's blendshapes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from autrt.types import CROP_SIZE_PX, F32
from autrt_train.annotations.columns import codes
from autrt_train.types import MISSING, DataError, Index

OPINIONS: Final[dict[str, tuple[str, ...]]] = {
    "AU1": ("browInnerUp",),
    "AU2": ("browOuterUpLeft", "browOuterUpRight"),
    "AU7": ("eyeSquintLeft", "eyeSquintRight"),
    "AU12": ("mouthSmileLeft", "mouthSmileRight"),
    "AU26": ("jawOpen",),
}
"""AU → the blendshapes whose mean speaks about it. About other AUs they are wrong, dead or no help."""

_COUNTED: Final = re.compile(r"(.+?)[-_. ]+\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """Faces that nobody coded."""

    index: Index
    """N crops; `label_names` as asked for, no labels."""
    values: F32
    """(N, A) float32 the other tool's values from 0 to 1, NaN for AUs that it has no say about."""
    origin: tuple[str, ...]
    """(N,) name of the file that each is from."""


def read_unlabelled(packs: Sequence[Path], folder: Path, au_names: Sequence[str]) -> Unlabelled:
    """Write the pictures of packs into a folder, unless they are there, and index them.

    Raises:
        DataError: a file is no such pack.
    """
    if not packs:
        raise DataError("expected packs of uncoded faces (.npz), found none")
    paths, origin, values, side = list[bytes](), list[str](), list[F32](), CROP_SIZE_PX
    for pack in packs:
        content = _read(pack)
        some = _write_pictures(content, folder / pack.stem)
        side = _side(some[0])
        paths += [os.fsencode(path) for path in some]
        origin += [str(path) for path in content["path"]]
        values.append(_values(content, au_names))
    video, video_names = codes([f"{Path(name).with_suffix('')}" for name in origin])
    person, person_names = codes([person_of(name) for name in origin])
    index = Index(
        paths=np.array(paths, np.bytes_),
        label_names=tuple(au_names),
        labels=np.full((len(paths), len(au_names)), MISSING, np.int8),
        video=video,
        video_names=video_names,
        frame=np.arange(1, len(paths) + 1, dtype=np.int32),
        person=person,
        person_names=person_names,
        margin_px=(side - CROP_SIZE_PX) // 2,
    )
    return Unlabelled(index, np.concatenate(values), tuple(origin))


def person_of(origin: str) -> str:
    """Who is in a file, by its name without a number at the end: `mux/Ann_Lee_0002.jpg` → `Ann_Lee`."""
    stem = PurePosixPath(origin).stem
    match = _COUNTED.fullmatch(stem)
    return match[1] if match and not match[1].isdigit() and len(match[1]) > 2 else stem


def _read(pack: Path) -> dict[str, NDArray[Any]]:
    wanted = ("jpeg", "offset", "path", "blend", "names")
    try:
        with np.load(pack) as file:
            return {name: file[name] for name in wanted}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{pack}: expected a pack with arrays {', '.join(wanted)}, found: {error}") from error


def _write_pictures(content: dict[str, NDArray[Any]], folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    offset = content["offset"].tolist()
    paths = [folder / f"{i:05d}.jpg" for i in range(len(offset) - 1)]
    for i, path in enumerate(paths):
        if not path.exists():
            path.write_bytes(content["jpeg"][offset[i] : offset[i + 1]].tobytes())
    return paths


def _side(picture: Path) -> int:
    found = cv2.imread(str(picture))
    if found is None or found.shape[0] != found.shape[1] or (found.shape[0] - CROP_SIZE_PX) % 2:
        raise DataError(
            f"{picture}: expected a square picture, an even number of pixels larger than the crop"
        )
    return found.shape[0]


def _values(content: dict[str, NDArray[Any]], au_names: Sequence[str]) -> F32:
    names = [str(name) for name in content["names"]]
    values = np.full((len(content["path"]), len(au_names)), np.nan, np.float32)
    for column, au in enumerate(au_names):
        if au in OPINIONS:
            chosen = [names.index(name) for name in OPINIONS[au]]
            values[:, column] = content["blend"][:, chosen].astype(np.float32).mean(axis=1)
    return values
