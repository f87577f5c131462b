"""The check of alignment: faces of the packaged model's reference crops, as they are and moved."""

from __future__ import annotations

import cv2
import numpy as np

from autrt.engine.parity import read_reference
from autrt.model.folder import load_model
from autrt_train.annotations import check_alignment as module
from autrt_train.annotations.check_alignment import alignment_lines, check_alignment
from autrt_train.annotations.read import DataSpec, read_data
from tests.support.data_sets import text
from tests.support.fetched import fetched


def crops(folder, change, margin_px=0):
    """A manifest of 40 rendered faces, changed."""
    faces, _ = read_reference(load_model().members[0])
    names = [f"{i}.png" for i in range(40)]
    folder.mkdir()
    for name, face in zip(names, faces, strict=False):
        cv2.imwrite(str(folder / name), change(face)[:, :, ::-1])
    text(folder / "index.csv", "\n".join(["path,AU1", *(f"{name},1" for name in names)]) + "\n")
    return read_data(DataSpec(kind="manifest", root=folder, options={"margin_px": margin_px}))[0]


def moved(scale, x, y):
    return lambda face: cv2.warpAffine(
        face,
        np.array([[scale, 0, x], [0, scale, y]], np.float32),
        (112, 112),
        borderMode=cv2.BORDER_REPLICATE,
    )


def test_alignment_of_good_crops_has_no_warning(tmp_path):
    fetched("centerface")
    report = check_alignment(crops(tmp_path / "a", lambda face: face))
    assert (report["looked_at"], report["warning"]) == (40, "")
    assert report["found"] >= 36
    wide = check_alignment(crops(tmp_path / "b", lambda f: np.pad(f, ((12, 12), (12, 12), (0, 0))), 12))
    assert wide["warning"] == ""
    assert abs(wide["shift_px"] - report["shift_px"]) < 1.5


def test_alignment_of_moved_crops_is_measured_and_warned_of(tmp_path):
    fetched("centerface")
    report = check_alignment(crops(tmp_path / "a", moved(0.8, 11, 19)), sample=30)
    told = alignment_lines(report)[0]
    assert report["looked_at"] == 30
    assert 0.6 < report["to_crop"]["scale"] < 0.9
    assert 4 < report["to_crop"]["y_px"] < 12
    assert "× as large" in told
    assert "the typical face lies" in report["warning"]
    assert "autrt crop --videos VIDEOS --out CROPS" in report["warning"]


def test_alignment_of_pictures_without_faces_is_warned_of(tmp_path):
    fetched("centerface")
    report = check_alignment(crops(tmp_path / "a", lambda face: np.zeros_like(face)))
    assert report["warning"].startswith("the crops may be aligned otherwise")
    assert "no face in 40 of 40 crops" in report["warning"]


def test_alignment_is_not_checked_without_the_detector(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "cached", lambda name: None)
    report = check_alignment(crops(tmp_path / "a", lambda face: face))
    assert "autrt fetch centerface" in alignment_lines(report)[0]
