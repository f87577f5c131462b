"""The challenge's files out of results, by the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from autrt.aus import ABAW_AUS
from autrt.cli.export import command as export
from autrt.errors import AutrtError, ResultsError
from autrt.results.challenge import submission
from autrt.results.fingerprint import SourceFacts
from autrt.results.reader import open_results
from autrt.results.writer import ResultsWriter
from autrt.types import Loss
from tests.support.media import Clip, half
from tests.support.results import header, names_in, results_file, video

HEADER = ",".join(ABAW_AUS)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(export, [str(a) for a in arguments])


def refused(*arguments: object) -> str:
    outcome = run(*arguments)
    assert outcome.exit_code != 0
    return str(outcome.exception) if isinstance(outcome.exception, AutrtError) else outcome.output


def made(path: Path, counts: Sequence[int], index: Sequence[int] | None = None, seed: int = 0) -> Path:
    """Results with the challenge's AUs, in another order than its own."""
    film = video(counts, n_aus=12, seed=seed)
    if index is not None:
        film.block.index[:] = index
    with ResultsWriter(path, header(12)) as writer:
        film.write(writer)
        writer.finish()
    return path


def expected(path: Path, frames: Sequence[int]) -> list[list[int]]:
    """Frame by frame, the slow way: the decisions for the face of largest median area."""
    with open_results(path) as results:
        box, track = results.faces["box"], results.faces["track"]
        area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
        medians = {t: np.median(area[track == t]) for t in np.unique(track)}
        number = results.frames["index"][results.faces["frame"]] + 1
        rows: list[list[int]] = []
        for frame in frames:
            row, back = [0] * 12, frame
            while back > 0:
                here = np.flatnonzero(number == back)
                if len(here):
                    main = max(here, key=lambda face: (medians[track[face]], -track[face]))
                    of = dict(zip(results.au_names, results.faces["active"][main].tolist(), strict=True))
                    row = [int(of[au]) for au in ABAW_AUS]
                    break
                back -= 1
            rows.append(row)
    return rows


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def cells(rows: list[list[int]]) -> list[str]:
    return [",".join(map(str, row)) for row in rows]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    made(tmp_path / "results" / "batch1" / "anna.mp4.h5", [0, 0, 1, 2, 0, 1, 2, 0])
    made(tmp_path / "results" / "ben_left.h5", [1, 2, 1], index=[1, 3, 4], seed=1)  # pictures 2, 4 and 5
    return tmp_path / "results"


def test_2022_is_a_text_for_each_video_with_a_row_for_each_frame(results: Path, tmp_path: Path) -> None:
    outcome = run(results, "--format", "abaw-2022", "--out", tmp_path / "out")
    assert outcome.exit_code == 0, outcome.output
    assert names_in(tmp_path / "out") == ["anna.txt", "ben_left.txt"]
    anna, ben = results / "batch1" / "anna.mp4.h5", results / "ben_left.h5"
    assert lines(tmp_path / "out" / "anna.txt") == [HEADER, *cells(expected(anna, range(1, 9)))]
    assert lines(tmp_path / "out" / "ben_left.txt") == [HEADER, *cells(expected(ben, range(1, 6)))]
    assert "2 without a face take the decisions of the last one with a face" in outcome.output
    assert "anna: 8 frames; 2 before the first face: no AU active;" in outcome.output
    assert "13 frames written as abaw-2022: 2 files" in outcome.output
    assert any("1" in line for line in lines(tmp_path / "out" / "anna.txt")[1:])


def test_2022_takes_the_challenges_list_of_names(results: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("ben_left\nanna\n\n")
    assert run(results, "--format", "abaw-2022", "--out", tmp_path / "o", "--frames", names).exit_code == 0
    assert names_in(tmp_path / "o") == ["anna.txt", "ben_left.txt"]


def test_2024_is_one_file_in_the_lists_order_with_every_frame(results: Path, tmp_path: Path) -> None:
    wanted = [f"ben_left/{n:05d}.jpg" for n in range(1, 8)] + [f"anna/{n:05d}.jpg" for n in (5, 1, 9, 4)]
    wanted.append("ben_left/00012.jpg")
    sample = tmp_path / "sample.txt"
    sample.write_text("image_location," + HEADER + "\n" + "".join(f"{w},,,\n" for w in wanted))
    outcome = run(results, "--format", "abaw-2024", "--out", tmp_path / "out", "--frames", sample)
    assert outcome.exit_code == 0, outcome.output
    found = lines(tmp_path / "out" / "predictions.txt")
    anna = expected(results / "batch1" / "anna.mp4.h5", [5, 1, 9, 4])
    ben = expected(results / "ben_left.h5", [*range(1, 8), 12])
    rows = cells([*ben[:7], *anna, ben[7]])
    assert found == ["image_location," + HEADER, *(f"{w},{r}" for w, r in zip(wanted, rows, strict=True))]
    assert (
        "ben_left: 8 frames; 1 before the first face: no AU active; 4 without a face (3 of them behind"
        in outcome.output
    )
    assert names_in(tmp_path / "out") == ["predictions.txt"]


def test_2024_without_a_list_has_all_frames_of_all_videos(results: Path, tmp_path: Path) -> None:
    assert run(results, "--format", "abaw-2024", "--out", tmp_path / "out").exit_code == 0
    places = [line.split(",")[0] for line in lines(tmp_path / "out" / "predictions.txt")[1:]]
    assert places == [f"anna/{n:05d}.jpg" for n in range(1, 9)] + [
        f"ben_left/{n:05d}.jpg" for n in range(1, 6)
    ]


@pytest.mark.parametrize("counts", [[], [0, 0, 0]])
def test_a_video_without_any_face(tmp_path: Path, counts: list[int]) -> None:
    made(tmp_path / "r" / "a.mp4.h5", counts)
    outcome = run(tmp_path / "r", "--format", "abaw-2022", "--out", tmp_path / "out")
    assert outcome.exit_code == 0, outcome.output
    assert lines(tmp_path / "out" / "a.txt") == [HEADER, *[",".join("0" * 12)] * len(counts)]
    assert "no face in the results: no AU active" in outcome.output or not counts


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("anna/00001.jpg\ncarl/00001.jpg\ndora/00001.jpg\n", r"no results for 2 of 3 videos .*: carl, dora"),
        ("anna/00001.jpg\nanna/00001.jpg\n", "list.txt:2: 'anna/00001.jpg' stands twice, first in line 1"),
        ("anna/00001.jpg\nben_left\n", "list.txt:2: expected frames alone"),
        ("anna/face.jpg\n", "list.txt:1: expected a frame such as video/00001.jpg"),
        ("anna/00000.jpg\n", "list.txt:1: expected a frame such as"),
        ("image_location,AU1\n\n", "found an empty one"),
    ],
)
def test_unsuitable_frame_list_is_refused(results: Path, tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "list.txt").write_text(content)
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(
            refused(
                results, "--format", "abaw-2024", "--out", tmp_path / "o", "--frames", tmp_path / "list.txt"
            )
        )
    assert not (tmp_path / "o").exists()


def test_wrong_challenge_options_are_refused(results: Path, tmp_path: Path) -> None:
    some = tmp_path / "some.txt"
    some.write_text("anna/00002.jpg\nanna/00003.jpg\n")
    arguments = (results, "--format", "abaw-2022", "--out", tmp_path / "o")
    assert "frames 1 to 2 in order" in refused(*arguments, "--frames", some)
    assert "cannot be read" in refused(*arguments, "--frames", tmp_path / "none.txt")
    assert "needs --out" in refused(results, "--format", "abaw-2024")
    assert "--frames, --frame-counts and --validate are for" in refused(results, "--frames", some)
    made(results / "batch2" / "anna.avi.h5", [1])
    assert "both of a video 'anna'" in refused(*arguments)
    assert "could be" in refused(results, "--format", "abaw-2024", "--out", tmp_path / "o", "--frames", some)
    assert not (tmp_path / "o").exists()


def test_results_of_other_aus_are_refused(tmp_path: Path) -> None:
    results_file(tmp_path / "r" / "a.mp4.h5", [1])
    assert "found none called AU4" in refused(tmp_path, "--format", "abaw-2022", "--out", tmp_path / "o")


def test_texts_of_an_earlier_submission_are_not_mixed_in(results: Path, tmp_path: Path) -> None:
    arguments = (results, "--format", "abaw-2022", "--out", tmp_path / "out")
    assert run(*arguments).exit_code == 0
    assert run(*arguments).exit_code == 0  # replaces its own
    (tmp_path / "out" / "zoe.txt").write_text("old")
    assert "found zoe.txt" in refused(*arguments)


def pictures(path: Path, counts: Sequence[int]) -> Path:
    """Results of a folder of pictures, the last of which may be missing."""
    source = SourceFacts(path="a", kind="images", size_bytes=1, mtime_ns=2, fingerprint="f" * 64)
    with ResultsWriter(path, header(12, source=source)) as writer:
        video(counts, n_aus=12).write(writer)
        writer.finish()
    return path


@pytest.mark.parametrize("challenge", ["abaw-2022", "abaw-2024"])
def test_results_of_pictures_need_numbers_of_frames(tmp_path: Path, challenge: str) -> None:
    """The last pictures of a video may lack a face: 74 rows for 80 frames were once written."""
    pictures(tmp_path / "r" / "anna.h5", [1] * 74)
    arguments = (tmp_path / "r", "--format", challenge, "--out", tmp_path / "out")
    told = refused(*arguments)
    assert "anna: its number of frames is not known: the results end at frame 74" in told
    assert "--frame-counts" in told
    assert not (tmp_path / "out").exists()
    counts = tmp_path / "counts.csv"
    counts.write_text("video,frames\nanna.mp4,80\n")
    outcome = run(*arguments, "--frame-counts", counts)
    assert outcome.exit_code == 0, outcome.output
    assert "80 frames; 6 without a face (6 of them behind the last frame in the results)" in outcome.output
    text = lines(next((tmp_path / "out").iterdir()))
    assert len(text) == 81
    assert text[80].split(",")[-12:] == text[74].split(",")[-12:]


def test_numbers_of_frames_come_from_the_videos_themselves(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    Clip(frames=8).write(tmp_path / "v" / "anna.mp4")
    for side in ("left", "right"):
        pictures(tmp_path / "r" / f"anna_{side}.h5", [1] * 5)
    arguments = (tmp_path / "r", "--format", "abaw-2022", "--out", tmp_path / "out", "--frame-counts")
    assert run(*arguments, tmp_path / "v").exit_code == 0
    assert [len(lines(path)) for path in (tmp_path / "out").iterdir()] == [9, 9]
    half(tmp_path / "v" / "anna.mp4", tmp_path / "v" / "half.mp4")
    (tmp_path / "v" / "anna.mp4").unlink()
    assert "found none: add it" in refused(*arguments, tmp_path / "v")
    pictures(tmp_path / "s" / "half.h5", [1])
    damaged = refused(tmp_path / "s", *arguments[1:4], tmp_path / "o", "--frame-counts", tmp_path / "v")
    assert "found one that is damaged" in damaged


def test_damaged_videos_need_numbers_of_frames(tmp_path: Path) -> None:
    with ResultsWriter(tmp_path / "r.h5", header(12)) as writer:
        video([1, 1], n_aus=12).write(writer)
        writer.finish([Loss(0.1, 1, "a packet is damaged")])
    assert "damaged in 1 places" in refused(
        tmp_path / "r.h5", "--format", "abaw-2022", "--out", tmp_path / "o"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("anna,8\nben 5 frames\nanna,9\n", "counts.csv:3: 'anna' has two numbers of frames: 8 and 9"),
        ("video,frames\nanna\n", "counts.csv:2: expected a video and its number of frames"),
        ("video,frames\n", "found none"),
        ("a/anna.mp4,8\nb/anna.mp4,9\nben_left,5\n", "expected the number of frames of anna, found none"),
    ],
)
def test_unsuitable_numbers_of_frames_are_refused(
    results: Path, tmp_path: Path, content: str, told: str
) -> None:
    (tmp_path / "counts.csv").write_text(content)
    counts = ("--frame-counts", tmp_path / "counts.csv")
    assert told in refused(results, "--format", "abaw-2022", "--out", tmp_path / "o", *counts)


def test_numbers_below_those_of_the_results_are_noted(results: Path, tmp_path: Path) -> None:
    (tmp_path / "counts.csv").write_text("anna 6\nben_left 5\n")
    counts = ("--frame-counts", tmp_path / "counts.csv")
    outcome = run(results, "--format", "abaw-2022", "--out", tmp_path / "o", *counts)
    assert "anna: 6 frames;" in outcome.output
    assert "2 frames of the results behind the last one that is asked for are left out" in outcome.output


@pytest.mark.parametrize("challenge", ["abaw-2022", "abaw-2024"])
def test_validate_names_each_fault_of_a_submission(results: Path, tmp_path: Path, challenge: str) -> None:
    out, counts = tmp_path / "out", tmp_path / "counts.csv"
    counts.write_text("anna,8\nben_left,5\n")
    assert run(results, "--format", challenge, "--out", out).exit_code == 0
    arguments = (out, "--format", challenge, "--validate", "--frame-counts", counts)
    good = run(*arguments)
    assert (good.exit_code, "13 rows" in good.output) == (0, True), good.output
    name = "anna.txt" if challenge == "abaw-2022" else "predictions.txt"
    rows = lines(out / name)
    rows[2], rows[3] = rows[2][:-1] + "2", rows[3] + ",1"
    (out / name).write_text("\n".join(["AU1", *rows[1:-1]]) + "\n")
    (out / "zoe.txt").write_text("")
    bad = run(*arguments)
    assert bad.exit_code == 1
    for told in (
        "zoe.txt: not part of the submission",
        f"{name}:1: expected the header",
        f"{name}: expected {len(rows) - 1} rows below the header, one for each frame, found {len(rows) - 2}",
        f"{name}:3: expected 0 or 1 for each AU",
        f"{name}:4: expected ",
        "5 faults",
    ):
        assert told in bad.output
    assert "needs to know" in refused(*arguments[:-2])
    assert "takes one folder" in refused(*arguments, "--out", out)


def test_submission_is_read_back_before_writing(results: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(submission, "_cells", lambda decided: ["2" + ",0" * 11] * len(decided.active))
    outcome = run(results, "--format", "abaw-2022", "--out", tmp_path / "out")
    assert isinstance(outcome.exception, ResultsError)
    assert not (tmp_path / "out").exists()
