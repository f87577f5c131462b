"""Small data sets on disk, in the layouts of real ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autrt.aus import ABAW_AUS
from autrt_train.types import Index

HEADER = ",".join(ABAW_AUS)


def jpeg(path: Path, side: int = 112, value: int = 0) -> Path:
    """A flat grey picture; another `value`, another content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".jpg", np.full((side, side, 3), value % 256, np.uint8))
    assert done
    path.write_bytes(data.tobytes() + value.to_bytes(8, "little"))
    return path


def numbered(folder: Path, numbers: Iterable[int], name: str = "{:05d}.jpg") -> None:
    """Files that look like a video's pictures; what is in them does not matter."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / name.format(number)).write_bytes(b"")


def text(path: Path, content: str) -> Path:
    """A text file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    return path


def affwild2(
    root: Path, videos: dict[str, list[str]], split: str = "Train_Set", header: str = HEADER
) -> Path:
    """Label texts of videos, by their data rows."""
    for name, rows in videos.items():
        text(root / "AU_Detection_Challenge" / split / f"{name}.txt", "\n".join([header, *rows]) + "\n")
    return root


def index(labels: Any, video: Any, person: Any = None, **others: Any) -> Index:
    """An index of pictures that are nowhere."""
    labels, video = np.asarray(labels, np.int8), np.asarray(video, np.int32)
    n = len(video)
    person = np.full(n, -1, np.int32) if person is None else np.asarray(person, np.int32)
    return Index(
        paths=np.array([b"/nowhere/%d.jpg" % i for i in range(n)], np.bytes_) if n else np.empty(0, "S1"),
        label_names=tuple(f"AU{i + 1}" for i in range(labels.shape[1])),
        labels=labels,
        video=video,
        video_names=tuple(f"v{i}" for i in range(int(video.max(initial=-1)) + 1)),
        frame=np.arange(1, n + 1, dtype=np.int32),
        person=person,
        person_names=tuple(f"p{i}" for i in range(int(person.max(initial=-1)) + 1)),
        **others,
    )


def names_of(index: Index, root: Path) -> list[str]:
    """Paths relative to a folder."""
    return [index.path(row).relative_to(root).as_posix() for row in range(len(index))]


def class_of(index: Index) -> list[str]:
    """The class of each picture by name; empty where it has none."""
    assert index.classes is not None
    names = [*index.class_names, ""]
    return [names[number] for number in index.classes.tolist()]
