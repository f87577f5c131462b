"""Face rigs: the stand-in, packs, and clones of ICT-FaceKit, whole and broken."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from autrt_train.synth.rig.generated_head import generated_rig
from autrt_train.synth.rig.ict import IDENTITIES, VERTICES, read_quads, read_vertices
from autrt_train.synth.rig.parts import ICT_PARTS
from autrt_train.synth.rig.rig import REQUIRED_SHAPES, load_rig, save_rig_pack
from autrt_train.types import DataError


def obj(path: Path, points: np.ndarray, faces: str = "") -> Path:
    lines = [f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in points]
    path.write_text("# head\n" + "\n".join(lines) + "\nvt 0.5 0.5\nvn 0 0 1\n" + faces)
    return path


def points(shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(1).uniform(-9, 9, (VERTICES, 3)).round(2) + shift


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As small as a clone can be: every mesh but the neutral one is the same file."""
    folder = tmp_path_factory.mktemp("clone") / "FaceXModel"
    folder.mkdir()
    face = "f 1/1/1 2/1/1 3/1/1 4/1/1\nf 2 3 4\nf 11300 11301 11302 11303\n"
    face += "f 22300 22301 22302\nf 23100 23101 23102\n"
    obj(folder / "generic_neutral_mesh.obj", points(), face)
    moved = obj(folder / "identity000.obj", points(0.25))
    for name in [*REQUIRED_SHAPES, *(f"identity{i:03d}" for i in range(1, IDENTITIES))]:
        os.link(moved, folder / f"{name}.obj")
    return folder.parent


def test_generated_rig_consists_of_its_parts():
    rig = generated_rig()
    assert set(REQUIRED_SHAPES) <= set(rig.expression_names)
    assert len(rig.expression_names) == 57
    assert 2000 < len(rig.neutral) < 6000
    covered = [rig.parts.of(n) for n in ("face", "head", "mouth", "sockets", "gums", "teeth")]
    covered += [rig.parts.of("left_eye"), rig.parts.of("right_eye")]
    assert [part.start for part in covered] == [0, *(part.stop for part in covered[:-1])]
    assert covered[-1].stop == len(rig.neutral)
    assert rig.triangles.min() >= 0
    assert rig.triangles.max() < len(rig.neutral)
    assert rig.landmarks.max() < rig.parts.narrow
    assert (
        rig.neutral[rig.parts.of("left_eye"), 0].mean()
        > 2
        > -2
        > rig.neutral[rig.parts.of("right_eye"), 0].mean()
    )


def test_generated_rig_faces_the_front():
    rig = generated_rig()
    a, b, c = (rig.neutral[rig.triangles[:, k]] for k in range(3))
    towards = np.cross(b - a, c - a)[:, 2]
    front = (rig.triangles < rig.parts.narrow).all(1)
    assert (towards[front] > 0).mean() > 0.98
    back = ((rig.triangles >= rig.parts.face) & (rig.triangles < rig.parts.head)).all(1)
    assert (towards[back] < 0).mean() > 0.7


def test_generated_rigs_differ_by_seed_only():
    assert np.array_equal(generated_rig(3).identity_deltas, generated_rig(3).identity_deltas)
    assert not np.array_equal(generated_rig(3).identity_deltas, generated_rig(4).identity_deltas)


def test_generated_rig_is_moved_by_every_used_shape():
    rig = generated_rig()
    for name in REQUIRED_SHAPES:
        assert np.abs(rig.expression_deltas[rig.at[name]]).max() > 0.1, name


def test_a_pack_gives_the_rig_back(tmp_path: Path):
    rig = generated_rig()
    save_rig_pack(rig, tmp_path / "rig.npz")
    back = load_rig(tmp_path / "rig.npz")
    assert back.expression_names == rig.expression_names
    assert (back.parts, back.outer_triangles) == (rig.parts, rig.outer_triangles)
    np.testing.assert_array_equal(back.neutral, rig.neutral)
    np.testing.assert_array_equal(back.triangles, rig.triangles)
    np.testing.assert_array_equal(back.landmarks, rig.landmarks)
    np.testing.assert_allclose(back.expression_deltas, rig.expression_deltas, atol=2e-3)
    assert [p.name for p in tmp_path.iterdir()] == ["rig.npz"]


def test_a_clone_is_read(clone: Path):
    rig = load_rig(clone)
    assert rig.parts == ICT_PARTS
    assert rig.expression_deltas.shape == (len(REQUIRED_SHAPES), ICT_PARTS.right_eye, 3)
    assert rig.identity_deltas.shape == (IDENTITIES, ICT_PARTS.right_eye, 3)
    np.testing.assert_allclose(rig.expression_deltas, 0.25, atol=1e-3)
    np.testing.assert_allclose(rig.neutral[:9], points()[:9], atol=1e-4)
    np.testing.assert_allclose(rig.neutral[-1], points()[23790], atol=1e-4)
    # The quad is two triangles, the mouth's are last, the iris is gone, the right eye follows the left.
    outer, inner = np.split(rig.triangles, [rig.outer_triangles])
    assert sorted(map(tuple, outer.tolist())) == [(0, 1, 2), (0, 2, 3), (1, 2, 3), (22299, 22300, 22301)]
    assert sorted(map(tuple, inner.tolist())) == [(11299, 11300, 11301), (11299, 11301, 11302)]


def test_the_folder_of_meshes_may_be_named_itself(clone: Path):
    assert read_quads(clone / "FaceXModel" / "generic_neutral_mesh.obj").shape == (5, 4)
    with pytest.raises(DataError, match="clone of ICT-FaceKit"):
        load_rig(clone.parent)


def test_a_clone_that_lacks_a_shape_says_which(tmp_path: Path):
    obj(tmp_path / "generic_neutral_mesh.obj", points())
    obj(tmp_path / "jawOpen.obj", points())
    with pytest.raises(DataError, match="identity000"):
        load_rig(tmp_path)


def test_damaged_meshes_are_named_with_their_line(tmp_path: Path):
    good = obj(tmp_path / "a.obj", points(), "f 1 2 3\n")
    text = good.read_text().splitlines()
    text[7] = "v 1.0 oops 2.0"
    good.write_text("\n".join(text))
    with pytest.raises(DataError, match=r"a\.obj:8: expected `v x y z`"):
        read_vertices(good)
    with pytest.raises(DataError, match=f"expected ICT-FaceKit's {VERTICES} vertices, found 3"):
        read_vertices(obj(tmp_path / "b.obj", points()[:3]))
    with pytest.raises(DataError, match="found 0"):
        read_vertices(obj(tmp_path / "c.obj", points()[:0]))
    for face in ("f 1 2", "f 0 1 2", "f 1 2 26720", "f a b c", "f 1 2 3 4 5"):
        with pytest.raises(DataError, match=r"d\.obj:5: expected a face"):
            read_quads(obj(tmp_path / "d.obj", points()[:0], face + "\n"))


def test_load_rig_refuses_other_files(tmp_path: Path):
    with pytest.raises(DataError, match="no such face rig"):
        load_rig(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(DataError, match="expected a packed face rig"):
        load_rig(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", neutral=np.zeros((4, 3)))
    with pytest.raises(DataError, match="quads"):
        load_rig(tmp_path / "other.npz")
    save_rig_pack(generated_rig(), tmp_path / "rig.npz")
    whole = (tmp_path / "rig.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"half\.npz"):
        load_rig(tmp_path / "half.npz")


def test_a_pack_without_a_shape_says_which(tmp_path: Path):
    rig = generated_rig()
    save_rig_pack(rig, tmp_path / "rig.npz")
    with np.load(tmp_path / "rig.npz") as pack:
        arrays = dict(pack)
    arrays["expression_names"] = np.array(["jawShut" if n == "jawOpen" else n for n in rig.expression_names])
    np.savez(tmp_path / "shut.npz", **arrays)
    with pytest.raises(DataError, match="lacks jawOpen"):
        load_rig(tmp_path / "shut.npz")
