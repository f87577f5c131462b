"""`autrt infer --aligned`: pictures that are aligned crops already, without a detector."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

import autrt as package
from autrt import open_results
from autrt.cli.infer import command as infer
from autrt.errors import UsageError
from autrt.model.folder import load_model
from autrt.results.verification.verify import verify
from autrt.run.options import InferOptions
from autrt.settings import InferSettings
from autrt.template import ARCFACE_112
from autrt_train.annotations.read import DataSpec
from autrt_train.evaluate.predict_pictures import predict_pictures, read_pictures
from tests.support.data_sets import affwild2

NUMBERS = (1, 2, 3, 4, 5, 6, 7, 11, 12, 40)
"""Numbers of the crops; what lies between was not cropped."""


def crops(folder: Path, numbers=NUMBERS, side: int = 112, seed: int = 0) -> None:
    """Smooth random pictures that differ from frame to frame."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        small = rng.integers(0, 256, (8, 8, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number:05d}.jpg"), cv2.resize(small, (side, side)))


@pytest.fixture(scope="module")
def aff(tmp_path_factory) -> Path:
    """Aff-Wild2's layout: two videos, one of which has a single crop, and a foreign file."""
    root = tmp_path_factory.mktemp("aff")
    rows = [",".join("01" * 6).replace("01", "0,1")] * 40
    affwild2(root, {"anna": rows, "pair_left": rows[:1]}, "Validation_Set")
    crops(root / "cropped_aligned" / "anna")
    crops(root / "cropped_aligned" / "pair_left", [1], seed=1)
    (root / "cropped_aligned" / "anna" / "Thumbs.db").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def results(aff, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("results")
    summary = package.infer(aff / "cropped_aligned", out, aligned=True, workers=1, offline=True)
    assert summary.failed == {}
    return out


def test_aligned_agrees_with_eval_over_the_crops(aff, results):
    """Raw and smoothed, to float error: both give the networks the crops as they are."""
    spec = DataSpec(kind="affwild2", root=aff, split="validation")
    index = read_pictures([spec], lambda line: None)
    names = [index.video_names[video] for video in index.video.tolist()]
    model = load_model("student")
    told = predict_pictures(model, index, InferSettings(), Fraction(30), lambda line: None)
    assert told.series is not None
    for video, n in (("anna", len(NUMBERS)), ("pair_left", 1)):
        mine = np.array([name == video for name in names])
        with open_results(results / f"{video}.h5") as found:
            columns = [found.au_names.index(au) for au in told.au_names]
            assert (found.frames["index"] + 1).tolist() == told.frame[mine].tolist()
            assert len(found.faces["frame"]) == n
            np.testing.assert_allclose(found.faces["logit"][:][:, columns], told.logit[mine], atol=1e-4)
            np.testing.assert_allclose(
                found.faces["smoothed"][:][:, columns], told.series.smoothed[mine], atol=1e-5
            )


def test_aligned_faces_have_the_crops_box_and_points(results):
    with open_results(results / "anna.h5") as found:
        assert found.faces["box"][0].tolist() == [0, 0, 112, 112]
        np.testing.assert_allclose(found.faces["landmarks"][:], np.broadcast_to(ARCFACE_112, (10, 5, 2)))
        assert set(found.faces["track"].tolist()) == {0}
        assert found.header.settings["aligned"] == "arcface-112"
        assert found.header.detector_digest == "none"
        assert found.header.detect_every == 1
        np.testing.assert_allclose(found.frames["time_s"][-1], 39 / 30)
    assert verify(results / "anna.h5") == []


def test_aligned_takes_the_margin_that_crop_json_states(tmp_path, results, aff):
    """Cropped with a margin, the networks see the same pixels."""
    inner = [
        np.asarray(cv2.imread(str(path))) for path in sorted((aff / "cropped_aligned" / "anna").glob("*.jpg"))
    ]
    folder = tmp_path / "out" / "cropped_aligned" / "anna.mp4"
    folder.mkdir(parents=True)
    for number, picture in zip(NUMBERS, inner, strict=True):
        wide = np.pad(picture, ((12, 12), (12, 12), (0, 0)))
        cv2.imwrite(str(folder / f"{number:05d}.png"), wide)
    (tmp_path / "out" / "crop.json").write_text(json.dumps({"template": "arcface-112", "margin_px": 12}))
    package.infer(tmp_path / "out" / "cropped_aligned", tmp_path / "r", aligned=True, workers=1)
    with open_results(tmp_path / "r" / "anna.mp4.h5") as found, open_results(results / "anna.h5") as plain:
        np.testing.assert_array_equal(found.faces["logit"][:], plain.faces["logit"][:])
        assert found.faces["box"][0].tolist() == [12, 12, 124, 124]
    crops(folder, [50])
    summary = package.infer(tmp_path / "out", tmp_path / "r", aligned=True, workers=1, overwrite=True)
    assert any(
        "136×136 pixels, as the crop.json above it says, found 112×112" in o.reason for o in summary.outcomes
    )


def test_aligned_resizes_squares_and_refuses_other_pictures(tmp_path):
    crops(tmp_path / "in" / "large", range(1, 4), side=224)
    crops(tmp_path / "in" / "mixed", range(1, 4))
    cv2.imwrite(str(tmp_path / "in" / "mixed" / "00002.jpg"), np.zeros((90, 112, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "in" / "photo.jpg"), np.zeros((480, 640, 3), np.uint8))
    (tmp_path / "in" / "film.mp4").write_bytes(bytes(8))
    arguments = [str(tmp_path / "in"), "--aligned", "--workers", "1", "--out"]
    done = CliRunner().invoke(infer, [*arguments, str(tmp_path / "r")])
    assert done.exit_code == 3, done.output
    for told in (
        "crops of 224×224 pixels are resized to 112×112",
        "expected an aligned crop, a square of 28 pixels or more, found 112×90",
        "found 640×480: cut it with `autrt crop`, or recognise whole pictures without --aligned",
        "expected aligned crops, found a video: recognise it without --aligned",
    ):
        assert told in done.output
    with (
        open_results(tmp_path / "r" / "large.h5") as large,
        open_results(tmp_path / "r" / "mixed.h5") as mixed,
    ):
        assert large.faces["box"][0].tolist() == [0, 0, 224, 224]
        assert (mixed.frames["index"] + 1).tolist() == [1, 3]
    plan = CliRunner().invoke(infer, [*arguments, str(tmp_path / "x"), "--dry-run"])
    assert "aligned crops" in plan.output
    assert "found 640×480" in plan.output


def test_aligned_refuses_options_of_detection_and_other_templates(tmp_path, aff):
    inputs = (aff / "cropped_aligned",)
    for options, told in (
        ({"aligned": True, "detect_every": 3}, "detect_every: expected nothing with aligned"),
        ({"aligned": True, "max_faces": 1}, "max_faces"),
        ({"template": "arcface-112"}, "template: expected nothing without aligned"),
        ({"aligned": 1}, "aligned: expected True or False"),
    ):
        with pytest.raises(UsageError, match=told):
            InferOptions(inputs=inputs, out=tmp_path, command="", **options)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match=r"--template other: expected the model's, 'arcface-112'"):
        package.plan(inputs, tmp_path, aligned=True, template="other")
    folder = tmp_path / "crops" / "cropped_aligned" / "a"
    crops(folder, [1, 2])
    (tmp_path / "crops" / "crop.json").write_text(json.dumps({"template": "other", "margin_px": 0}))
    summary = package.infer(tmp_path / "crops", tmp_path / "r", aligned=True, workers=1)
    assert "aligned to the template 'other'" in next(iter(summary.failed.values()))


def test_aligned_results_are_of_other_settings(aff, results):
    """They don't pass for results with detection, nor these for them."""
    assert "aligned" not in InferSettings().numbers()
    again = package.plan(aff / "cropped_aligned", results, aligned=True)
    assert again.todo == []
    assert package.plan(aff / "cropped_aligned", results).refusal is not None
