"""Agreement of two runs over the same videos, face by face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt.errors import UsageError
from autrt.face.detect import iou_matrix
from autrt.results.reader import open_results
from autrt.types import F32, I64, Bool

MATCH_IOU: Final = 0.3

Columns = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Faces that both runs have, over all videos, and counts of those that only one has."""

    au_names: tuple[str, ...]
    smoothed_a: F32
    """(F, A) float32."""
    smoothed_b: F32
    """(F, A) float32."""
    changed: Bool
    """(F, A) True where the decision differs."""
    shift: F32
    """(F,) float32 mean landmark distance, in eye distances of the first run."""
    only_a: int
    only_b: int

    def correlation(self) -> F32:
        """Return correlations of the smoothed probabilities, (A,) float32; NaN for a constant and another."""
        pairs = zip(self.smoothed_a.T.astype(float), self.smoothed_b.T.astype(float), strict=True)
        return np.array([_correlation(a, b) for a, b in pairs], np.float32)


def compare(folder_a: Path, folder_b: Path) -> Agreement:
    """Compare the results files of two folders, by their relative paths.

    Raises:
        UsageError: there are none, or a file is missing in the second folder.
        ResultsError: a file is damaged.
    """
    parts = [_compare(path, folder_b / path.relative_to(folder_a)) for path in _files(folder_a)]
    if not parts:
        raise UsageError(f"{folder_a}: expected results of `autrt infer`, found none")
    return Agreement(
        parts[0].au_names,
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("smoothed_a", "smoothed_b", "changed", "shift")
        ),
        only_a=sum(part.only_a for part in parts),
        only_b=sum(part.only_b for part in parts),
    )


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.rglob("*.h5"))


def _compare(path_a: Path, path_b: Path) -> Agreement:
    if not path_b.is_file():
        raise UsageError(f"{path_b}: expected the results of the same video as in {path_a}, found none")
    (a, names), (b, _) = _columns(path_a), _columns(path_b)
    i, j = _matched(a, b).T
    eyes = np.linalg.norm(a["landmarks"][i, 1] - a["landmarks"][i, 0], axis=1)
    distance = np.linalg.norm(a["landmarks"][i] - b["landmarks"][j], axis=2).mean(1)
    return Agreement(
        names,
        a["smoothed"][i],
        b["smoothed"][j],
        a["active"][i] != b["active"][j],
        (distance / np.maximum(eyes, 1)).astype(np.float32),
        only_a=len(a["frame"]) - len(i),
        only_b=len(b["frame"]) - len(i),
    )


def _columns(path: Path) -> tuple[Columns, tuple[str, ...]]:
    with open_results(path) as results:
        names = ("frame", "box", "landmarks", "active", "smoothed")
        return {name: results.faces[name] for name in names}, results.header.au_names


def _matched(a: Columns, b: Columns) -> I64:
    """Return rows of `a` and `b` that show the same face in the same frame, (n, 2) int64."""
    pairs: list[tuple[int, int]] = []
    for frame in np.intersect1d(a["frame"], b["frame"]):
        i, j = (np.nonzero(rows["frame"] == frame)[0] for rows in (a, b))
        overlap = iou_matrix(a["box"][i], b["box"][j])
        best = overlap.argmax(1)
        pairs += [(int(i[k]), int(j[best[k]])) for k in range(len(i)) if overlap[k, best[k]] >= MATCH_IOU]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _correlation(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    if np.array_equal(a, b):
        return 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.corrcoef(a, b)[0, 1]) if len(a) > 1 else float("nan")
