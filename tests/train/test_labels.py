"""Label files as coding tools write them: `autrt_train.labels`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from autrt.errors import UsageError
from autrt.results.events.export import export_events
from autrt.results.events.find import EventRule
from autrt_train.labels.agreement import combine_coders, kappa, to_labels
from autrt_train.labels.coding import NO_FRAME, aus_in, parse_level
from autrt_train.labels.read import LabelSettings, detect_format, read_labels
from autrt_train.types import DataError
from tests.support.results import video_file

HOW = LabelSettings()


def read(path: Path, **how):
    return read_labels([path], LabelSettings(**how))


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def active(coding, au: str) -> list[float]:
    """The times at which an AU is coded as present."""
    return coding.time_s[coding.codes[:, coding.au_names.index(au)] >= 1].round(3).tolist()


def absent(coding, au: str) -> list[float]:
    return coding.time_s[coding.codes[:, coding.au_names.index(au)] == 0].round(3).tolist()


# Plain tables


def test_a_table_of_pictures_holds_codes_and_question_marks(tmp_path):
    path = written(tmp_path, "t.csv", "file,source,AU1,AU02,au12\na/x.jpg,web,0,?,2\ny.jpg,,-1,1,\n")
    coding = read(path)
    assert detect_format(path) == "table"
    assert coding.au_names == ("AU1", "AU2", "AU12")
    assert coding.video.tolist() == ["a/x.jpg", "y.jpg"]
    np.testing.assert_array_equal(coding.codes, [[0, np.nan, 2], [np.nan, 1, np.nan]])
    assert (coding.frame == NO_FRAME).all()
    assert np.isnan(coding.time_s).all()


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_table_with_any_delimiter_has_frames_persons_and_tracks(tmp_path, delimiter):
    text = "video,frame,subject,track,AU4\nanna.mp4,10,anna,3,1\nanna.mp4,12,anna,3,0\n"
    coding = read(written(tmp_path, "t.csv", text.replace(",", delimiter)), first_frame=1)
    assert coding.frame.tolist() == [9, 11]
    assert coding.person.tolist() == ["anna", "anna"]
    assert coding.track.tolist() == [3, 3]


def test_table_without_a_file_column_is_of_its_namesake(tmp_path):
    coding = read(written(tmp_path, "anna.csv", "time,AU4\n0.5,1\n1.5,0\n"))
    assert coding.video.tolist() == ["anna", "anna"]
    assert coding.time_s.tolist() == [0.5, 1.5]


def test_stretches_of_a_table_become_moments(tmp_path):
    coding = read(written(tmp_path, "t.csv", "video,onset,offset,AU4\na.mp4,1.0,1.5,1\na.mp4,3.05,3.1,0\n"))
    assert active(coding, "AU4") == [1.0, 1.2, 1.25, 1.4]
    assert absent(coding, "AU4") == [3.075]  # too short for the grid: its middle


def test_two_columns_of_an_au_are_two_coders(tmp_path):
    text = "file,AU1_a,AU1_b\n0.jpg,0,0\n1.jpg,2,1\n2.jpg,0,1\n3.jpg,1,?\n"
    coding, agreement = combine_coders(read(written(tmp_path, "t.csv", text)), 1.0)
    assert to_labels(coding.codes[:, 0], 1.0).tolist() == [0, 1, -1, 1]
    assert agreement.n == {"AU1": 3}
    assert agreement.kappa["AU1"] == pytest.approx(cohen_kappa_score([0, 1, 0], [0, 1, 1]))
    assert "AU1 0.40" in str(agreement)


def test_a_column_of_coders_does_the_same(tmp_path):
    text = "file,coder,AU1\nx.jpg,ann,0\nx.jpg,bob,2\ny.jpg,ann,1\ny.jpg,bob,1\n"
    coding, agreement = combine_coders(read(written(tmp_path, "t.csv", text)), 1.0)
    assert coding.video.tolist() == ["x.jpg", "y.jpg"]
    assert coding.codes[:, 0].tolist() == [1, 1]
    assert agreement.coders == ("ann", "bob")


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_kappa_equals_scikit_learns(pairs):
    one, two = np.array(pairs, np.int8).T
    if len(set(one.tolist()) | set(two.tolist())) > 1:
        assert kappa(one, two) == pytest.approx(cohen_kappa_score(one, two))


def test_intensities_take_a_threshold_and_leave_the_middle_out():
    assert to_labels(np.array([0, 0.5, 1, 2, 5, np.nan]), 2.0).tolist() == [0, 0, -1, 1, 1, -1]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("file,AU1\nx.jpg,9\n", "line 2: au1: expected a code from 0"),
        ("file,AU1\n,1\n", "line 2: expected a file's name"),
        ("file,frame,AU1\nx.mp4,soon,1\n", "line 2: frame: expected a number"),
        ("file,smile\nx.jpg,1\n", "expected a table with AU columns"),
    ],
)
def test_table_errors_name_the_place(tmp_path, text, fault):
    with pytest.raises(DataError, match=fault):
        read(written(tmp_path, "t.csv", text))


# OpenFace

OPENFACE = (
    "frame, timestamp, confidence, success, AU01_r, AU12_r, AU01_c, AU12_c, AU28_c\n"
    "1, 0.000, 0.98, 1, 0.00, 2.31, 0.00, 1.00, 0.00\n"
    "2, 0.033, 0.98, 1, 1.20, 2.29, 1.00, 1.00, 0.00\n"
    "3, 0.067, 0.02, 0, 0.00, 0.00, 0.00, 0.00, 0.00\n"
)


def test_openface_table_counts_from_1_and_marks_failures(tmp_path):
    path = written(tmp_path, "anna.csv", OPENFACE)
    coding = read(path)
    assert detect_format(path) == "openface"
    assert coding.au_names == ("AU1", "AU12", "AU28")
    assert coding.video.tolist() == ["anna"] * 3
    assert coding.frame.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(coding.codes, [[0, 1, 0], [1, 1, 0], [np.nan] * 3])


# ELAN


def eaf(tiers: str, media: str = "file:///C:/study/anna%20b.mp4", origin: str = "") -> str:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-01T10:00:00+01:00" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/study/anna.wav" MIME_TYPE="audio/x-wav"/>
        <MEDIA_DESCRIPTOR MEDIA_URL="{media}" MIME_TYPE="video/mp4" {origin}/>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2000"/>
        <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="3000"/>
        <TIME_SLOT TIME_SLOT_ID="ts4"/>
        <TIME_SLOT TIME_SLOT_ID="ts5" TIME_VALUE="4000"/>
    </TIME_ORDER>
    {tiers}
    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>"""


def tier(name: str, *spans: tuple[str, str, str], **attributes: str) -> str:
    inner = "".join(
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{a}{b}" TIME_SLOT_REF1="{a}" TIME_SLOT_REF2="{b}">'
        f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
        for a, b, text in spans
    )
    more = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    return f'<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="{name}" {more}>{inner}</TIER>'


def test_elan_tiers_are_aus_absent_between_their_spans(tmp_path):
    text = eaf(tier("AU12", ("ts1", "ts2", "x")) + tier("AU04", ("ts3", "ts5", "B")) + tier("AU1"))
    path = written(tmp_path, "one.eaf", text)
    coding = read(path, every_s=0.5)
    assert detect_format(path) == "elan"
    assert set(coding.video.tolist()) == {"C:/study/anna b.mp4"}
    assert coding.au_names == ("AU1", "AU4", "AU12")
    assert coding.time_s.min() == 1.0
    assert coding.time_s.max() == 4.0  # the coded stretch: from the first span to the last
    assert active(coding, "AU12") == [1.5]  # borders are unsure
    assert active(coding, "AU4") == [3.5]
    assert absent(coding, "AU12") == [2.5, 3.0, 3.5, 4.0]
    assert absent(coding, "AU1") == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
    assert np.nanmax(coding.codes[:, 1]) == 2


def test_elan_values_name_aus_and_a_tier_the_coded_interval(tmp_path):
    text = eaf(
        tier("AUs", ("ts2", "ts3", "AU1+2B"), PARTICIPANT="anna", ANNOTATOR="k")
        + tier("coded", ("ts1", "ts5", ""))
    )
    coding = read(written(tmp_path, "one.eaf", text), every_s=0.5)
    assert coding.au_names == ("AU1", "AU2")
    assert set(coding.person.tolist()) == {"anna"}
    assert set(coding.coder.tolist()) == {"k"}
    assert active(coding, "AU2") == [2.5]
    assert absent(coding, "AU2") == [1.0, 1.5, 3.5, 4.0]


def test_elan_slots_without_time_and_late_media(tmp_path):
    text = eaf(tier("AU12", ("ts3", "ts4", "")), origin='TIME_ORIGIN="500"')
    coding = read(written(tmp_path, "one.eaf", text), every_s=10)
    assert active(coding, "AU12") == [3.75]  # 3.0 to 3.5, and half a second later in the media


def test_an_elan_file_without_aus_lists_its_tiers(tmp_path):
    with pytest.raises(DataError, match="found the tiers speech"):
        read(written(tmp_path, "one.eaf", eaf(tier("speech", ("ts1", "ts2", "hello")))))


def test_folder_is_read_without_files_that_hold_no_labels(tmp_path):
    written(tmp_path, "a.eaf", eaf(tier("AU12", ("ts1", "ts2", "x"))))
    written(tmp_path, "b.csv", "file,AU4\nx.jpg,1\n")
    written(tmp_path, "notes.txt", "hello\n")
    coding = read(tmp_path)
    assert coding.au_names == ("AU4", "AU12")
    assert {"x.jpg", "C:/study/anna b.mp4"} == set(coding.video.tolist())


# BORIS

TABULAR = """Observation id\tObservation date\tDescription\tObservation type\tSource\tTime offset (s)\tSubject\t\
Behavior\tBehavioral category\tModifier #1\tBehavior type\tTime\tMedia file name\tComment
one\t2024-05-01 10:00:00\t\tMedia file(s)\tplayer #1:/data/anna.mp4\t0.0\tanna\tAU12\tface\tC\tSTART\t1.0\t\
/data/anna.mp4\t
one\t2024-05-01 10:00:00\t\tMedia file(s)\tplayer #1:/data/anna.mp4\t0.0\tanna\tAU4 brow\tface\t\tPOINT\t3.0\
\t/data/anna.mp4\t
one\t2024-05-01 10:00:00\t\tMedia file(s)\tplayer #1:/data/anna.mp4\t0.0\tanna\tAU12\tface\tC\tSTOP\t2.0\t\
/data/anna.mp4\t
"""

AGGREGATED = (
    "Observation id,Observation date,Description,Observation type,Source,Time offset (s),"
    "Media duration (s),FPS (frame/s),Subject,Observation duration by subject by observation,Behavior,"
    "Behavioral category,Modifier #1,Behavior type,Start (s),Stop (s),Duration (s),Media file name,Comment start\n"
    "one,2024-05-01,,Media file(s),player #1:anna.mp4,0,10,25,No focal subject,4,AU12,,,STATE,1.0,2.0,,anna.mp4,\n"
    "one,2024-05-01,,Media file(s),player #1:anna.mp4,0,10,25,No focal subject,4,coded,,,STATE,0,4,,anna.mp4,\n"
)


def test_boris_states_and_points_of_a_tabular_export(tmp_path):
    path = written(tmp_path, "events.tsv", TABULAR)
    coding = read(path, every_s=0.5)
    assert detect_format(path) == "boris"
    assert set(coding.video.tolist()) == {"/data/anna.mp4"}
    assert set(coding.person.tolist()) == {"anna"}
    assert active(coding, "AU12") == [1.5]
    assert np.nanmax(coding.codes[:, coding.au_names.index("AU12")]) == 3
    assert active(coding, "AU4") == [3.0]
    assert absent(coding, "AU12") == [2.5, 3.0]


def test_boris_aggregated_bouts_and_the_coded_stretch(tmp_path):
    path = written(tmp_path, "events.csv", AGGREGATED)
    coding = read(path, every_s=0.5)
    assert detect_format(path) == "boris"
    assert set(coding.person.tolist()) == {""}
    assert active(coding, "AU12") == [1.5]
    assert absent(coding, "AU12") == [0.0, 0.5, 2.5, 3.0, 3.5, 4.0]


def test_boris_exports_of_old_have_lines_before_their_header(tmp_path):
    text = (
        "Observation id\tone\n\nMedia file(s)\n\nPlayer #1\tanna.mp4\n\n"
        "Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tModifiers\tComment\t"
        "Status\n"
        "00:00:01.000\tanna.mp4\t10\t25\t\t12\t\t\t\tSTART\n00:00:02.000\tanna.mp4\t10\t25\t\t12\t\t\t\tSTOP\n"
    )
    coding = read(written(tmp_path, "events.tsv", text), every_s=0.5)
    assert active(coding, "AU12") == [1.5]


def test_a_state_that_never_stops_is_told(tmp_path):
    with pytest.raises(
        DataError, match=r"AU12 of anna in /data/anna\.mp4: expected a stop after every start"
    ):
        read(written(tmp_path, "events.tsv", "\n".join(TABULAR.splitlines()[:3]) + "\n"))


def test_a_boris_project_with_two_files_in_a_row(tmp_path):
    project = {
        "project_format_version": "7.0",
        "behaviors_conf": {
            "0": {"type": "State event", "code": "AU12"},
            "1": {"type": "Point event", "code": "AU4"},
        },
        "observations": {
            "one": {
                "file": {"1": ["/d/a.mp4", "/d/b.mp4"], "2": []},
                "media_info": {"length": {"/d/a.mp4": 10.0, "/d/b.mp4": 5.0}},
                "events": [
                    [1.0, "", "AU12", "", ""],
                    [2.0, "", "AU12", "", ""],
                    [12.0, "", "AU4", "", ""],
                    [13.0, "", "AU12", "", ""],
                    [14.0, "", "AU12", "", ""],
                ],
            }
        },
    }
    path = written(tmp_path, "study.boris", json.dumps(project))
    coding = read(path, every_s=0.5)
    assert detect_format(path) == "boris-project"
    second = coding.take(coding.video == "/d/b.mp4")
    assert active(coding.take(coding.video == "/d/a.mp4"), "AU12") == [1.5]
    assert active(second, "AU12") == [3.5]
    assert active(second, "AU4") == [2.0]


# Texts


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("AU12", ["AU12"]),
        ("au 04", ["AU4"]),
        ("1+2", ["AU1", "AU2"]),
        ("R12B, 6C", ["AU12", "AU6"]),
        ("12 lip corner puller", ["AU12"]),
        ("AU12_anna", ["AU12"]),
        ("smile 2", []),
        ("", []),
    ],
)
def test_the_aus_that_a_text_names(text, units):
    assert aus_in(text) == units


def test_parse_level_of_annotations():
    assert [parse_level(text) for text in ("0", "absent", "A", "e", "2.5", "strong")] == [
        0,
        0,
        1,
        5,
        2.5,
        np.inf,
    ]
    assert np.isnan(parse_level("?"))


def test_formats_can_be_forced_and_unknown_ones_are_refused(tmp_path):
    path = written(tmp_path, "anna.csv", OPENFACE)
    assert read(path, format="table").frame.tolist() == [1, 2, 3]
    with pytest.raises(UsageError, match="expected one of table, openface"):
        read(path, format="excel")
    with pytest.raises(DataError, match="found nothing"):
        read(tmp_path / "none.csv")


@pytest.mark.parametrize("fmt", ["elan", "boris"])
def test_exported_events_are_read_as_codes(tmp_path, fmt):
    seen = (
        dict.fromkeys(range(300), 0.1)
        | dict.fromkeys(range(60, 120), 0.9)
        | dict.fromkeys(range(200, 260), 0.9)
    )
    results = video_file(tmp_path / "a.h5", {2: seen}, 300)
    path = tmp_path / f"a.{'eaf' if fmt == 'elan' else fmt}"
    export_events(fmt, path, [results], EventRule())
    coding = read(path, every_s=0.5)
    assert coding.au_names == ("AU12",)
    assert {Path(name).name for name in coding.video.tolist()} == {"b.mp4"}
    assert set(coding.person.tolist()) == {"a/b.mp4 track 2"}
    assert min(active(coding, "AU12")) > 2
    assert set(absent(coding, "AU12")) == {4.5, 5.0, 5.5, 6.0, 6.5}
