"""Quality and head pose of faces in results, tables and reports."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from autrt.cli.export import command
from autrt.errors import ResultsError, UsageError
from autrt.face.pose import head_pose
from autrt.report.flags import flags_of
from autrt.results.reader import open_results
from autrt.results.summaries.summary import summarise
from autrt.results.verification.verify import verify
from tests.support.results import results_file, video_file

QUALITY = [0.9, 0.2, 0.8, 0.4, 1.0]


@pytest.fixture
def path(tmp_path):
    """Five frames of one face."""
    return video_file(tmp_path / "a.h5", {0: dict.fromkeys(range(5), 0.7)}, 5, quality=QUALITY)


def run(*arguments) -> tuple[int, str]:
    outcome = CliRunner().invoke(command, [str(a) for a in arguments])
    return outcome.exit_code, outcome.output


def test_results_have_the_quality_of_each_face(path):
    assert verify(path) == []
    with open_results(path) as results:
        np.testing.assert_allclose(results.quality(), QUALITY, atol=1e-3)
        np.testing.assert_allclose(results.quality(slice(1, 3)), QUALITY[1:3], atol=1e-3)


def test_a_table_leaves_out_faces_of_less_quality(path):
    with open_results(path) as results:
        table = results.to_dataframe(min_quality=0.5)
        assert table["frame"].tolist() == [0, 1, 2, 3, 4]
        assert table["track"].isna().tolist() == [False, True, False, True, False]
        assert table["quality"].dtype == table["sharpness"].dtype == np.float32
        few = results.to_dataframe(["quality"], faces_only=True, min_quality=0.5)
        np.testing.assert_allclose(few["quality"], [0.9, 0.8, 1.0], atol=1e-3)
        assert few["frame"].tolist() == [0, 2, 4]
        with pytest.raises(UsageError, match="min_quality: expected a number from 0 to 1, found 2"):
            results.to_dataframe(min_quality=2)


def test_export_leaves_them_out_too_and_says_so_in_the_metadata(path, tmp_path):
    out = tmp_path / "a.csv"
    code, _ = run(
        path, "--out", out, "--columns", "quality,AU12_active", "--min-quality", 0.5, "--faces-only"
    )
    assert code == 0
    assert pd.read_csv(out)["frame"].tolist() == [0, 2, 4]
    again = ("--columns", "quality,AU12_active", "--faces-only", "--update")
    assert "1 up to date" in run(path, "--out", out, *again, "--min-quality", 0.5)[1]
    assert "0 up to date" in run(path, "--out", out, *again)[1]
    assert "is for --format csv" in run(path, "--format", "elan", "--min-quality", 0.5)[1]


def test_results_of_earlier_versions_have_no_quality(tmp_path):
    path = results_file(tmp_path / "a.h5")
    with open_results(path) as results:
        with pytest.raises(ResultsError, match="it has no qualities, as an earlier version made it"):
            results.quality()
        assert "quality" not in results.to_dataframe()
        assert results.to_dataframe(["quality"])["quality"].isna().all()
        with pytest.raises(ResultsError, match="no qualities"):
            results.to_dataframe(min_quality=0.1)
    code, said = run(path, "--out", tmp_path / "a.csv", "--min-quality", 0.1)
    assert code == 3
    assert "no qualities" in said


def test_pose_is_computed_from_the_landmarks_of_any_results(tmp_path):
    path = results_file(tmp_path / "a.h5")
    with open_results(path) as results:
        expected = head_pose(results.faces["landmarks"])
        np.testing.assert_array_equal(results.pose(), expected)
        table = results.to_dataframe(["pose"], faces_only=True)
        names = ["pose_yaw", "pose_pitch", "pose_roll"]
        np.testing.assert_array_equal(table[names].to_numpy(), expected)
    aligned = results_file(tmp_path / "b.h5", settings={"aligned": "arcface-112"})
    with open_results(aligned) as results:
        assert np.isnan(results.pose()).all()


def test_openface_has_the_pose_in_radians_and_five_points_where_asked(tmp_path):
    path = results_file(tmp_path / "a.h5")
    assert run(path, "--format", "openface", "--out", tmp_path / "o.csv")[0] == 0
    plain = pd.read_csv(tmp_path / "o.csv")
    seen = plain["success"] == 1
    with open_results(path) as results:
        yaw, pitch, roll = np.radians(results.pose()).T
        points = results.faces["landmarks"]
    for name, values in (("pose_Rx", pitch), ("pose_Ry", yaw), ("pose_Rz", roll)):
        np.testing.assert_allclose(plain.loc[seen, name], values, atol=6e-4)
    assert plain[["pose_Tx", "gaze_0_x", "x_0", "y_4"]].isna().all(axis=None)
    code, _ = run(path, "--format", "openface", "--columns", "landmarks", "--out", tmp_path / "l.csv")
    assert code == 0
    table = pd.read_csv(tmp_path / "l.csv")
    assert list(table) == list(plain)
    for i in range(5):
        np.testing.assert_allclose(table.loc[seen, [f"x_{i}", f"y_{i}"]], points[:, i], atol=0.06)
    assert table[["x_5", "X_0"]].isna().all(axis=None)


def test_a_report_says_what_most_faces_of_low_quality_are(tmp_path):
    frames = {0: dict.fromkeys(range(10), 0.7)}
    path = video_file(tmp_path / "a.h5", frames, 10, quality=[0.1] * 4 + [0.9] * 6)
    with open_results(path) as results:  # its landmarks lie in one place
        flags = {flag.name: flag.detail for flag in flags_of(results, summarise(results))}
    assert flags["low quality"] == "40% of the faces have a quality below 0.5; most of these are turned away"
    path = video_file(tmp_path / "b.h5", frames, 10, quality=[0.9] * 10)
    with open_results(path) as results:
        assert "low quality" not in {flag.name for flag in flags_of(results, summarise(results))}
