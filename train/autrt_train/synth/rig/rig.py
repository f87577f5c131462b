"""A face rig: a head of triangles with named expression shapes and identity shapes.

A `Rig` comes from ICT-FaceKit (`load_rig`) or, for tests, from `generated_rig`. Coordinates are centimetres: x to
the subject's left (to the right in a picture), y up, z to the front.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np

from autrt.storage.atomic_file import replacing
from autrt.types import F32, I32, ShapedRepr, check_array
from autrt_train.synth.rig.ict import Meshes, read_clone, read_pack
from autrt_train.synth.rig.parts import ICT_LANDMARKS, ICT_PARTS, ICT_RIGHT_EYEBALL, Parts, inside_mouth
from autrt_train.types import DataError

SIDED: Final = (
    "browDown", "browInnerUp", "browOuterUp", "cheekPuff", "cheekRaiser", "cheekSquint", "eyeBlink",
    "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown",
    "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
)  # fmt: skip
"""Shapes with a left and a right half, _L and _R of the subject."""

WHOLE: Final = (
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel", "mouthLeft", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
)  # fmt: skip
"""Shapes of the whole face."""

REQUIRED_SHAPES: Final = tuple(sorted([*(n + s for n in SIDED for s in ("_L", "_R")), *WHOLE]))
"""Shapes that expressions are made of. ICT-FaceKit's pupil shapes are not used: pupils are painted."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Rig(ShapedRepr):
    """A neutral head and its shapes. V vertices, T triangles, E expression shapes, I identity shapes."""

    neutral: F32
    """(V, 3) float32 cm."""
    triangles: I32
    """(T, 3) int32, counter-clockwise from outside; the inside of the mouth comes last."""
    outer_triangles: int
    """Number of triangles before the inside of the mouth."""
    expression_names: tuple[str, ...]
    expression_deltas: F32
    """(E, V, 3) float32 cm at weight 1."""
    identity_deltas: F32
    """(I, V, 3) float32 cm at one standard deviation."""
    landmarks: I32
    """(68,) int32 vertices of Multi-PIE's 68 points."""
    parts: Parts

    def __post_init__(self) -> None:
        check_array(self, "neutral", self.neutral, np.float32, (self.parts.right_eye, 3))
        check_array(self, "triangles", self.triangles, np.int32, (None, 3))
        shape = (len(self.expression_names), len(self.neutral), 3)
        check_array(self, "expression_deltas", self.expression_deltas, np.float32, shape)
        check_array(self, "identity_deltas", self.identity_deltas, np.float32, (None, *shape[1:]))
        check_array(self, "landmarks", self.landmarks, np.int32, (68,))

    @cached_property
    def at(self) -> dict[str, int]:
        """Shape name → row."""
        return {name: row for row, name in enumerate(self.expression_names)}

    @cached_property
    def eyeballs(self) -> slice:
        """Vertices of both eyeballs."""
        return slice(self.parts.teeth, self.parts.right_eye)


def load_rig(path: Path) -> Rig:
    """Read a rig: a clone of the ICT-FaceKit repository, its packed .npz file, or a pack by `save_rig_pack`.

    Raises:
        DataError: `path` is none of these, or is damaged.
    """
    if path.is_dir():
        return _from_ict(read_clone(path), path)
    if not path.exists():
        raise DataError(f"{path}: no such face rig: name a clone of ICT-FaceKit or a packed .npz file")
    return _load_pack(path) if _is_own_pack(path) else _from_ict(read_pack(path), path)


def save_rig_pack(rig: Rig, path: Path) -> None:
    """Write a rig as one .npz file that `load_rig` reads; deltas in float16.

    Raises:
        DiskFullError, ResultsError: the file cannot be written.
    """
    with replacing(path) as part, part.open("wb") as file:
        np.savez_compressed(
            file,
            neutral=rig.neutral,
            triangles=rig.triangles,
            outer_triangles=rig.outer_triangles,
            expression_names=np.array(rig.expression_names),
            expression_deltas=rig.expression_deltas.astype(np.float16),
            identity_deltas=rig.identity_deltas.astype(np.float16),
            landmarks=rig.landmarks,
            parts=np.array(astuple(rig.parts), np.int32),
        )


def _is_own_pack(path: Path) -> bool:
    try:
        with np.load(path, allow_pickle=False) as pack:
            return "parts" in pack
    except (OSError, ValueError, BadZipFile, TypeError):
        return False  # the reader of the published model raises the error


def _load_pack(path: Path) -> Rig:
    try:
        with np.load(path, allow_pickle=False) as pack:
            rig = Rig(
                neutral=pack["neutral"].astype(np.float32),
                triangles=pack["triangles"],
                outer_triangles=int(pack["outer_triangles"]),
                expression_names=tuple(str(name) for name in pack["expression_names"]),
                expression_deltas=pack["expression_deltas"].astype(np.float32),
                identity_deltas=pack["identity_deltas"].astype(np.float32),
                landmarks=pack["landmarks"],
                parts=Parts(*(int(end) for end in pack["parts"])),
            )
    except (OSError, KeyError, ValueError, TypeError, BadZipFile) as error:
        raise DataError(f"{path}: expected a packed face rig, found {error}: pack it again") from error
    _require_shapes(rig.expression_names, path)
    return rig


def _require_shapes(names: tuple[str, ...], path: Path) -> None:
    missing = sorted(set(REQUIRED_SHAPES) - set(names))
    if missing:
        raise DataError(f"{path}: the face rig lacks {', '.join(missing)}: is the clone complete?")


def _from_ict(meshes: Meshes, path: Path) -> Rig:
    _require_shapes(meshes.expression_names, path)
    kept = np.r_[0 : ICT_PARTS.left_eye, ICT_RIGHT_EYEBALL]
    triangles, outer = _triangles(meshes.quads, kept, len(meshes.neutral))
    return Rig(
        neutral=np.ascontiguousarray(meshes.neutral[kept]),
        triangles=triangles,
        outer_triangles=outer,
        expression_names=meshes.expression_names,
        expression_deltas=meshes.expression_deltas[:, kept].astype(np.float32),
        identity_deltas=meshes.identity_deltas[:, kept].astype(np.float32),
        landmarks=np.array(ICT_LANDMARKS, np.int32),
        parts=ICT_PARTS,
    )


def _triangles(quads: I32, kept: np.ndarray, vertices: int) -> tuple[I32, int]:
    """Triangulate quads of the kept vertices, renumbered, the inside of the mouth last; return also its start."""
    number = np.full(vertices, -1, np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    quads = number[quads]
    quads = quads[(quads >= 0).all(1)]
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    triangles = triangles[(triangles[:, 1] != triangles[:, 2]) & (triangles[:, 0] != triangles[:, 2])]
    inside = inside_mouth(ICT_PARTS)[triangles].all(1)
    return np.concatenate([triangles[~inside], triangles[inside]]), int((~inside).sum())
