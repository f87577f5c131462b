"""Reading ICT-FaceKit's vertices from a clone of its repository or from one packed .npz file.

ICT-FaceKit (Li et al. 2020, "Learning Formation of Physically-Based Face Attributes"; MIT licence) keeps its
morphable face as OBJ files in `FaceXModel`: a neutral mesh, one mesh per expression and one per identity mode,
all with the same vertices. A clone and a pack give the same numbers: deltas are rounded to half precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from autrt.types import F32, I32
from autrt_train.types import DataError

F16 = NDArray[np.float16]

VERTICES: Final = 26719
IDENTITIES: Final = 100
NEUTRAL: Final = "generic_neutral_mesh"
FOLDER: Final = "FaceXModel"


@dataclass(frozen=True, kw_only=True)
class Meshes:
    """The published model: V vertices in cm, x to the subject's left, y up, z to the front."""

    neutral: F32
    """(V, 3)."""
    quads: I32
    """(Q, 4); a triangle repeats its last index."""
    expression_names: tuple[str, ...]
    expression_deltas: F16
    """(E, V, 3)."""
    identity_deltas: F16
    """(I, V, 3) at one standard deviation."""


def read_clone(path: Path) -> Meshes:
    """Read the OBJ files of a clone of the repository, or of its FaceXModel folder.

    Raises:
        DataError: there is no model in `path`, a file is missing or damaged, or the vertices are another version's.
    """
    folder = path if (path / f"{NEUTRAL}.obj").is_file() else path / FOLDER
    if not (folder / f"{NEUTRAL}.obj").is_file():
        raise DataError(
            f"{path}: expected a clone of ICT-FaceKit, with {FOLDER}/{NEUTRAL}.obj in it, and found none: "
            "name the clone's folder, or a packed .npz file"
        )
    neutral = read_vertices(folder / f"{NEUTRAL}.obj")
    names = sorted(p.stem for p in folder.glob("*.obj") if not p.stem.startswith(("identity", NEUTRAL)))
    identities = [f"identity{i:03d}" for i in range(IDENTITIES)]
    return Meshes(
        neutral=neutral.astype(np.float32),
        quads=read_quads(folder / f"{NEUTRAL}.obj"),
        expression_names=tuple(names),
        expression_deltas=_deltas(folder, names, neutral),
        identity_deltas=_deltas(folder, identities, neutral),
    )


def read_pack(path: Path) -> Meshes:
    """Read the model packed into one .npz file.

    Raises:
        DataError: the file is damaged, an array is missing, or the vertices are another version's.
    """
    try:
        with np.load(path, allow_pickle=False) as pack:
            meshes = Meshes(
                neutral=pack["neutral"].astype(np.float32),
                quads=pack["quads"].astype(np.int32),
                expression_names=tuple(str(name) for name in pack["expression_names"]),
                expression_deltas=pack["expression_deltas"].astype(np.float16),
                identity_deltas=pack["identity_deltas"].astype(np.float16),
            )
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(
            f"{path}: expected a packed face rig (arrays neutral, quads, expression_names, expression_deltas, "
            f"identity_deltas), found {error}: pack it again, or name a clone of ICT-FaceKit"
        ) from error
    if meshes.neutral.shape != (VERTICES, 3):
        raise _other_version(path, len(meshes.neutral))
    return meshes


def read_vertices(path: Path) -> NDArray[np.float64]:
    """Read the `v` lines of an OBJ file, (V, 3) float64; their number must be the model's.

    Raises:
        DataError: a line is not a vertex, or the number of vertices differs.
    """
    lines = [line for line in _lines(path) if line.startswith(b"v ")]
    try:
        vertices = np.loadtxt(lines, np.float64, usecols=(1, 2, 3), ndmin=2) if lines else np.empty((0, 3))
    except ValueError:
        raise DataError(f"{path}:{_bad_line(path)}: expected `v x y z`: fetch the file again") from None
    if vertices.shape != (VERTICES, 3):
        raise _other_version(path, len(vertices))
    return vertices


def read_quads(path: Path) -> I32:
    """Read the `f` lines of an OBJ file, (Q, 4) int32 from 0; a triangle repeats its last corner.

    Raises:
        DataError: a face has neither three nor four corners, or refers to a missing vertex.
    """
    faces: list[list[int]] = []
    for number, line in enumerate(_lines(path), 1):
        if not line.startswith(b"f "):
            continue
        try:
            corners = [int(corner.split(b"/")[0]) - 1 for corner in line.split()[1:]]
        except ValueError:
            corners = []
        if len(corners) not in (3, 4) or min(corners) < 0 or max(corners) >= VERTICES:
            raise DataError(f"{path}:{number}: expected a face of 3 or 4 vertices: fetch the file again")
        faces.append([*corners, corners[-1]][:4])
    return np.array(faces, np.int32).reshape(-1, 4)


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): is the clone complete?") from error


def _bad_line(path: Path) -> int:
    for number, line in enumerate(_lines(path), 1):
        if line.startswith(b"v "):
            try:
                values = [float(value) for value in line.split()[1:]]
            except ValueError:
                return number
            if len(values) < 3:
                return number
    return 0


def _deltas(folder: Path, names: list[str], neutral: NDArray[np.float64]) -> F16:
    return np.stack([(read_vertices(folder / f"{n}.obj") - neutral).astype(np.float16) for n in names])


def _other_version(path: Path, found: int) -> DataError:
    return DataError(
        f"{path}: expected ICT-FaceKit's {VERTICES} vertices, found {found}: another version of the model?"
    )
