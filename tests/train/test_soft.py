"""Soft targets of other tools: tables, calibration on coded pictures, and assignment to pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from autrt.cli.distill import command
from autrt.errors import UsageError
from autrt.results.fingerprint import SourceFacts
from autrt_train.labels.coding import NO_FRAME, NO_TRACK
from autrt_train.soft.attach import attach_targets, read_source
from autrt_train.soft.calibration import calibrate_values
from autrt_train.soft.read import read_values
from autrt_train.soft.settings import TargetSettings
from autrt_train.types import DataError, Index
from tests.support.data_sets import text
from tests.support.scored import write_results
from tests.support.soft import mediapipe_table, openface_table, py_feat_table

AUS = ("AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU15", "AU23", "AU24", "AU25", "AU26")


def quiet(_: str) -> None:
    pass


def settings(*values: Path, **others) -> TargetSettings:
    return TargetSettings(values=values, **others)


def pictures(*paths: str, video: list[str] | None = None, frame: list[int] | None = None) -> Index:
    """An index of pictures below /data."""
    names = list(video or paths)
    table = tuple(dict.fromkeys(names))
    return Index(
        paths=np.array([f"/data/{path}".encode() for path in paths], np.bytes_),
        label_names=AUS,
        labels=np.full((len(paths), len(AUS)), -1, np.int8),
        video=np.array([table.index(name) for name in names], np.int32),
        video_names=table,
        frame=np.array(frame or [1] * len(paths), np.int32),
        person=np.full(len(paths), -1, np.int32),
    )


# Tables of each tool


def test_mediapipe_teaches_the_aus_it_is_good_at(tmp_path):
    row = {
        "browInnerUp": 0.5,
        "browOuterUpLeft": 0.2,
        "browOuterUpRight": 0.4,
        "mouthSmileLeft": 1,
        "jawOpen": 0.1,
    }
    tool, values = read_values(settings(mediapipe_table(tmp_path / "b.csv", ["a/x.jpg"], [row])))
    assert tool == "mediapipe"
    assert values.au_names == ("AU1", "AU2", "AU12", "AU26")
    np.testing.assert_allclose(values.values, [[0.5, 0.3, 0.5, 0.1]])
    assert values.places() == [("a/x.jpg", NO_FRAME, NO_TRACK)]


def test_mediapipe_teaches_others_when_asked(tmp_path):
    row = {"eyeSquintLeft": 0.2, "eyeSquintRight": 0.6, "mouthFrownLeft": 0.4, "jawOpen": 0.3}
    path = mediapipe_table(tmp_path / "b.csv", ["x.jpg"], [row])
    _, values = read_values(settings(path, au_names=("AU7", "AU10")))
    np.testing.assert_allclose(values.values, [[0.4, 0]])
    _, values = read_values(
        settings(path, au_names=("AU15",), columns={"AU15": ("mouthFrownLeft", "jawOpen")})
    )
    np.testing.assert_allclose(values.values, [[0.35]], rtol=1e-6)


def test_mediapipe_frames_of_videos_count_from_0(tmp_path):
    path = mediapipe_table(tmp_path / "b.csv", ["t.mp4", "t.mp4", "x.jpg"], [{}] * 3, [0, 7, 7])
    _, values = read_values(settings(path))
    assert values.frame.tolist() == [0, 7, NO_FRAME]  # a picture is a picture, whatever clip it is from


def test_openface_frames_count_from_1_and_failures_are_nan(tmp_path):
    rows = [{"AU01": 1.5, "AU10": 3.0, "AU12": 2.0}, {"AU01": 4.0}]
    tool, values = read_values(settings(openface_table(tmp_path / "talk.csv", rows, success=[1, 0])))
    assert tool == "openface"
    assert values.au_names == ("AU1", "AU2", "AU4", "AU6", "AU7", "AU12", "AU15", "AU25", "AU26")
    assert values.places() == [("talk", 0, NO_TRACK), ("talk", 1, NO_TRACK)]
    assert values.values[0, [0, 5]].tolist() == [1.5, 2.0]
    assert np.isnan(values.values[1]).all()


def test_py_feat_pictures_are_named_by_their_input(tmp_path):
    path = py_feat_table(tmp_path / "fex.csv", ["in/a.jpg", "in/b.jpg"], [{"AU06": 0.9}, {"AU24": 0.2}])
    tool, values = read_values(settings(path))
    assert tool == "py-feat"
    assert values.places() == [("in/a.jpg", NO_FRAME, NO_TRACK), ("in/b.jpg", NO_FRAME, NO_TRACK)]
    assert "AU43" in values.au_names
    assert values.values[:, values.au_names.index("AU6")].tolist() == [pytest.approx(0.9), 0]


def test_parquet_is_read_like_csv(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    columns = {"file": ["x.jpg"], "browInnerUp": [0.25], "jawOpen": [None]}
    columns |= {
        f"{name}{side}": [0.5] for name in ("browOuterUp", "mouthSmile") for side in ("Left", "Right")
    }
    pq.write_table(pa.table(columns), tmp_path / "b.parquet")
    _, values = read_values(settings(tmp_path / "b.parquet"))
    np.testing.assert_array_equal(values.values, np.array([[0.25, 0.5, 0.5, np.nan]], np.float32))


def test_results_teach_their_smoothed_probabilities(tmp_path):
    still = SourceFacts(path="x.jpg", kind="still", size_bytes=1, mtime_ns=2, fingerprint="f" * 64)
    write_results(tmp_path / "r" / "x.jpg.h5", [[2.0, -2.0]], source=still)
    write_results(tmp_path / "r" / "talk.mp4.h5", np.zeros((2, 2)))
    tool, values = read_values(settings(tmp_path / "r"))
    assert tool == "autrt"
    at = {place: row for row, place in enumerate(values.places())}
    assert {("x.jpg", NO_FRAME, NO_TRACK), ("talk.mp4", 1, NO_TRACK), ("talk.mp4", 0, 1)} <= set(at)
    expected = 1 / (1 + np.exp([-2, 2]))
    np.testing.assert_allclose(values.values[at["x.jpg", NO_FRAME, NO_TRACK]], expected, rtol=1e-5)


def test_a_table_of_any_columns_is_read_by_their_names(tmp_path):
    path = text(tmp_path / "own.csv", "file,smile,grin\nx.jpg,0.2,0.6\n")
    tool, values = read_values(settings(path, columns={"AU12": ("Smile", "Grin")}))
    assert (tool, values.au_names) == ("table", ("AU12",))
    np.testing.assert_allclose(values.values, [[0.4]])


@pytest.mark.parametrize(
    ("content", "others", "fault"),
    [
        ("file,smile\nx.jpg,1\n", {}, "expected values of one tool .* found none"),
        ("file,AU1\nx.jpg,high\n", {}, "line 2: au1: expected a number"),
        ("file,AU1\nx.jpg,1\n", {"au_names": ("AU2",)}, "expected a column for AU2"),
        ("file,AU1\nx.jpg,1\n", {"columns": {"AU2": ("brow",)}}, "expected brow for AU2"),
        ("file,AU1\nx.jpg,1\n", {"tool": "emotient"}, "expected one of mediapipe"),
    ],
)
def test_faults_in_values_are_named(tmp_path, content, others, fault):
    path = text(tmp_path / "t.csv", content)
    with pytest.raises(UsageError, match=fault):
        read_values(settings(path, **others))


def test_target_settings_name_aus():
    with pytest.raises(ValueError, match="expected names of AUs"):
        settings(Path("x"), weights={"browInnerUp": 1})


# Calibration


def coded_values(folder: Path, n: int = 400, seed: int = 0):
    """Values whose probability of AU1 is their square, and codes drawn from that."""
    rng = np.random.default_rng(seed)
    value = rng.random(n)
    present = rng.random(n) < value**2
    table = [f"p/{i:03d}.jpg,{value[i]:.6f}" for i in range(n)]
    text(folder / "values.csv", "\n".join(["file,AU1", *table]) + "\n")
    text(
        folder / "codes.csv",
        "\n".join(["file,AU1", *(f"{i:03d}.jpg,{int(y)}" for i, y in enumerate(present))]) + "\n",
    )
    return value, present


def test_calibration_finds_what_codes_were_drawn_from(tmp_path):
    value, _ = coded_values(tmp_path, 4000)
    how = settings(tmp_path / "values.csv", coded=(tmp_path / "codes.csv",))
    tool, values = read_values(how)
    lines: list[str] = []
    found = calibrate_values(tool, values, how, lines.append)[:, 0]
    assert np.abs(found - value**2).mean() < 0.03
    order = np.argsort(value)
    assert (np.diff(found[order]) >= -1e-6).all()  # never falls
    assert (found.min(), found.max()) == (pytest.approx(0.02), pytest.approx(0.98))
    assert "AU1" in lines[0]
    assert "AUC" in lines[0]


def test_calibration_reaches_rows_that_nobody_coded(tmp_path):
    coded_values(tmp_path)
    text(tmp_path / "more.csv", "file,AU1\nnew/high.jpg,1.5\nnew/low.jpg,-1\nnew/none.jpg,\n")
    how = settings(tmp_path / "values.csv", tmp_path / "more.csv", coded=(tmp_path / "codes.csv",))
    tool, values = read_values(how)
    found = calibrate_values(tool, values, how, quiet)[-3:, 0]
    np.testing.assert_allclose(found[:2], [0.98, 0.02], atol=1e-6)
    assert np.isnan(found[2])


def test_too_few_codes_are_refused_with_their_number(tmp_path):
    _, present = coded_values(tmp_path, 40)
    how = settings(tmp_path / "values.csv", coded=(tmp_path / "codes.csv",), least=30)
    tool, values = read_values(how)
    counts = f"found {int(present.sum())} and {int((~present).sum())}"
    with pytest.raises(DataError, match=rf"AU1: expected 30 coded pictures with it and 30 without.*{counts}"):
        calibrate_values(tool, values, how, quiet)


def test_values_without_codes_of_their_own_are_refused(tmp_path):
    coded_values(tmp_path)
    tool, values = read_values(settings(tmp_path / "values.csv"))
    with pytest.raises(DataError, match="are no probabilities: expected `coded`"):
        calibrate_values(tool, values, settings(tmp_path / "values.csv"), quiet)
    other = text(tmp_path / "other.csv", "file,AU1\nsomebody.jpg,1\n")
    with pytest.raises(DataError, match="no coded picture or frame has values: expected names such as p/000"):
        calibrate_values(tool, values, settings(tmp_path / "values.csv", coded=(other,)), quiet)


def test_results_are_probabilities_already(tmp_path):
    write_results(tmp_path / "r" / "talk.mp4.h5", [[9.0, 0.0]])
    how = settings(tmp_path / "r", clip=0.1)
    tool, values = read_values(how)
    main = values.places().index(("talk.mp4", 0, NO_TRACK))
    np.testing.assert_allclose(calibrate_values(tool, values, how, quiet)[main], [0.9, 0.5], atol=1e-6)


# Which picture


def source_of(folder: Path, content: str, **others):
    """Values of AU1 that are 1 or 0, calibrated to .98 and .02."""
    codes = [f"c{i}.jpg,{i % 2}" for i in range(60)]
    text(folder / "codes.csv", "\n".join(["file,AU1,AU12", *(f"{line},{line[-1]}" for line in codes)]) + "\n")
    coded = [line.replace(",", ",,", 1) + "," + line[-1] for line in codes]
    text(folder / "values.csv", "\n".join(["file,frame,AU1,AU12", *coded, content]) + "\n")
    how = settings(folder / "values.csv", coded=(folder / "codes.csv",), **others)
    return read_source(how, AUS, quiet)


def test_targets_stand_beside_the_pictures_that_tables_name(tmp_path):
    rows = "elsewhere/x.jpg,,1,0\ntalk.mp4,0,0,1\ntalk.mp4,4,1,1\nnobody.jpg,,1,1"
    index = pictures(
        "faces/x.jpg", "cut/talk.mp4/00001.jpg", "cut/talk.mp4/00005.jpg", "cut/talk.mp4/00006.jpg",
        video=["faces/x.jpg", "talk.mp4", "talk.mp4", "talk.mp4"], frame=[1, 1, 5, 6],
    )  # fmt: skip
    lines: list[str] = []
    found = attach_targets([source_of(tmp_path, rows)], index, AUS, lines.append)
    high = np.log(0.98 / 0.02)
    np.testing.assert_allclose(found.logit[:3, AUS.index("AU1")], [high, -high, high], rtol=1e-4)
    np.testing.assert_allclose(found.logit[:3, AUS.index("AU12")], [-high, high, high], rtol=1e-4)
    assert np.isnan(found.logit[3]).all()
    assert np.isnan(found.logit[:, AUS.index("AU4")]).all()
    assert "soft targets of AU1, AU12 for 3 of 4 pictures" in lines[0]


def test_targets_of_frames_with_several_faces_are_left_out(tmp_path):
    rows = "talk.mp4,0,1,1\ntalk.mp4,1,1,1\ntwo.jpg,,1,1\ntwo.jpg,,0,0"
    index = pictures(
        "cut/talk.mp4/0/00001.jpg", "cut/talk.mp4/1/00001.jpg", "cut/talk.mp4/0/00002.jpg", "two.jpg",
        video=["talk.mp4"] * 3 + ["two.jpg"], frame=[1, 1, 2, 1],
    )  # fmt: skip
    found = attach_targets([source_of(tmp_path, rows)], index, AUS, quiet)
    assert np.isnan(found.logit[:, 0]).tolist() == [True, True, False, True]


def test_the_first_tool_that_knows_an_au_counts_with_its_weight(tmp_path):
    one = source_of(tmp_path / "one", "x.jpg,,1,", weight=0.5, weights={"AU1": 0.4})
    two = source_of(tmp_path / "two", "x.jpg,,0,0", weight=2)
    found = attach_targets([one, two], pictures("x.jpg"), AUS, quiet)
    assert found.logit[0, 0] > 0 > found.logit[0, AUS.index("AU12")]
    np.testing.assert_allclose(found.weight[0, [0, 2, 6]], [0.2, 1, 2])


def test_aus_that_are_not_trained_are_refused_when_named(tmp_path):
    how = settings(mediapipe_table(tmp_path / "b.csv", ["x.jpg"], [{}]), weights={"AU12": 1})
    with pytest.raises(UsageError, match="AU12 is none of the AUs that are trained"):
        read_source(how, ("AU1",), quiet)


def test_the_command_needs_targets_for_codes(tmp_path):
    codes = text(tmp_path / "c.csv", "file,AU1\nx.jpg,1\n")
    found = CliRunner().invoke(command, ["smoke", "--coded", str(codes), "--dry-run"])
    assert "add --targets" in str(found.exception)
