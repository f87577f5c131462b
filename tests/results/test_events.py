"""AU events: by hand and against a plain reference, and their files as ELAN, BORIS and CSV readers see them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from pympi.Elan import Eaf

from autrt.cli.export import command
from autrt.errors import UsageError
from autrt.results.events.export import export_events
from autrt.results.events.find import EventRule
from autrt.results.fingerprint import SourceFacts
from autrt.results.reader import open_results
from autrt.results.summaries.summary import summarise
from tests.support.results import THRESHOLD, names_in, results_file, video_file

RATE = 30


def events_of(path: Path, **rule):
    with open_results(path) as results:
        return results.events(**rule)


def source(name: str) -> SourceFacts:
    return SourceFacts(path=name, kind="video", size_bytes=1, mtime_ns=2, fingerprint="f" * 64)


def smile() -> dict[int, float]:
    """Above the release at frames 10 to 39, above the threshold at 12 to 35, highest at 20."""
    seen = (
        dict.fromkeys(range(90), 0.1) | dict.fromkeys(range(10, 40), 0.45) | dict.fromkeys(range(12, 36), 0.9)
    )
    return seen | {20: 0.95, 25: 0.42, 50: 0.6} | dict.fromkeys(range(60, 80), 0.45)


def run(*arguments) -> tuple[int, str]:
    outcome = CliRunner().invoke(command, [str(a) for a in arguments])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.exit_code, outcome.output


# Events


def test_event_computed_by_hand(tmp_path):
    (event,) = events_of(video_file(tmp_path / "a.h5", {3: smile()}, 90))
    assert (event.track, event.au, event.grade) == (3, "AU12", "ungraded")
    assert (event.onset_s, event.apex_s, event.offset_s) == pytest.approx((10 / RATE, 20 / RATE, 40 / RATE))
    assert event.duration_s == pytest.approx(1)
    assert (event.onset_frame, event.apex_frame, event.offset_frame) == (10, 20, 39)
    assert event.peak == pytest.approx(0.95)
    assert event.mean == pytest.approx((22 * 0.9 + 0.95 + 0.42 + 6 * 0.45) / 30)


def test_rule_decides_what_an_event_is(tmp_path):
    path = video_file(tmp_path / "a.h5", {3: smile()}, 90)
    spans = [(e.onset_frame, e.offset_frame) for e in events_of(path, release=1, min_duration_s=0)]
    assert spans == [(12, 24), (26, 35), (50, 50)]
    assert len(events_of(path, min_duration_s=0)) == 2
    assert events_of(path, min_duration_s=1.1) == ()


def test_a_face_that_is_missed_for_a_moment_goes_on_and_one_that_is_gone_ends(tmp_path):
    seen = dict.fromkeys([*range(30), *range(33, 60), *range(80, 90)], 0.9)
    found = events_of(video_file(tmp_path / "a.h5", {0: seen}, 120))
    assert [(e.onset_frame, e.offset_frame) for e in found] == [(0, 59), (80, 89)]
    assert [e.offset_s for e in found] == pytest.approx([2, 3])


def test_a_gap_in_the_video_ends_an_event(tmp_path):
    times = [*np.arange(30) / 30, *(10 + np.arange(30) / 30)]
    found = events_of(video_file(tmp_path / "a.h5", {0: dict.fromkeys(range(60), 0.9)}, 60, times))
    assert [e.offset_s for e in found] == pytest.approx([1, 11])


@pytest.mark.parametrize("counts", [(), (0, 0), (1,)])
def test_short_or_faceless_videos_have_few_events(tmp_path, counts):
    found = events_of(results_file(tmp_path / "a.h5", counts), min_duration_s=0)
    assert len(found) <= 3 * sum(counts)


PROBABILITY = st.sampled_from([0.0, 0.39, 0.4, 0.45, 0.5, 0.7, 1.0])


@settings(max_examples=40, deadline=None)
@given(
    tracks=st.dictionaries(
        st.integers(0, 3),
        st.dictionaries(st.integers(0, 40), PROBABILITY, min_size=1),
        min_size=1,
        max_size=3,
    )
)
def test_events_are_those_of_a_plain_reference(tmp_path_factory, tracks):
    step_s = 0.033
    path = video_file(tmp_path_factory.mktemp("e") / "a.h5", tracks, 41, np.arange(41) * step_s)
    expected: list[tuple[int, int, int]] = []
    for track, seen in tracks.items():
        frames = sorted(f for f, p in seen.items() if np.float32(p) >= np.float32(0.8 * THRESHOLD))
        groups: list[list[int]] = []
        for frame in frames:
            known = sorted(f for f in seen if f < frame)
            joined = groups and known and groups[-1][-1] == known[-1] and (frame - known[-1]) * step_s <= 0.2
            groups.append([frame]) if not joined else groups[-1].append(frame)
        expected += [(g[0], track, g[-1]) for g in groups if max(seen[f] for f in g) >= THRESHOLD]
    found = events_of(path, min_duration_s=0)
    assert [(e.onset_frame, e.track, e.offset_frame) for e in found] == sorted(expected)


@pytest.mark.parametrize(
    "rule", [{"release": 0}, {"release": 1.1}, {"min_duration_s": -1}, {"release": np.nan}]
)
def test_wrong_numbers_are_refused(tmp_path, rule):
    path = results_file(tmp_path / "a.h5")
    with open_results(path) as results, pytest.raises(UsageError, match="expected"):
        results.events(**rule)


def test_without_hysteresis_events_are_the_summarys_activations(tmp_path):
    path = results_file(tmp_path / "a.h5", [2] * 60, seed=3)
    with open_results(path) as results:
        told = summarise(results)
        found = results.events(release=1, min_duration_s=0)
    for track in told.tracks:
        for au in track.aus:
            own = [e for e in found if (e.track, e.au) == (track.track, au.au)]
            assert len(own) == au.activations
            assert sum(e.duration_s for e in own) == pytest.approx(
                au.activations * (au.mean_activation_s or 0)
            )


# Files


@pytest.fixture
def two(tmp_path) -> Path:
    out = tmp_path / "out"
    video_file(out / "anna.mp4.h5", {3: smile()}, 90, source=source("sub dir/anna & é.mp4"))
    results_file(out / "bert.mp4.h5", [2] * 40, source=source("bert.mp4"))
    return out


def test_elan_document_is_read_back_by_pympi(two, tmp_path):
    assert run(two, "--format", "elan", "--out", f"{tmp_path}/eaf/")[0] == 0
    assert names_in(tmp_path / "eaf") == ["anna.mp4.eaf", "bert.mp4.eaf"]
    eaf = Eaf(tmp_path / "eaf" / "anna.mp4.eaf")
    assert list(eaf.get_tier_names()) == ["AU12 track 3"]
    ((start_ms, end_ms, text, *_),) = eaf.get_annotation_data_for_tier("AU12 track 3")
    assert (start_ms, end_ms) == (333, 1333)
    assert text == "AU12 lip corner puller: peak 0.950 at 0.667 s, mean 0.796"
    assert unquote(eaf.media_descriptors[0]["RELATIVE_MEDIA_URL"]) == "./sub dir/anna & é.mp4"
    told = {name: json.loads(value) for name, value in eaf.properties}
    assert told == {
        "autrt:release": 0.8,
        "autrt:min_duration_s": 0.1,
        "autrt:thresholds": {"AU12": THRESHOLD},
    }
    bert = Eaf(tmp_path / "eaf" / "bert.mp4.eaf")
    for event in (events := events_of(two / "bert.mp4.h5")):
        times = [a[:2] for a in bert.get_annotation_data_for_tier(f"{event.au} track {event.track}")]
        assert (round(1000 * event.onset_s), round(1000 * event.offset_s)) in times
    assert sum(len(bert.get_annotation_data_for_tier(t)) for t in bert.get_tier_names()) == len(events)


def test_elan_document_has_the_structure_of_the_format(two, tmp_path):
    """The order of elements, their attributes and references that EAF 3.0's schema asks for."""
    export_events("elan", tmp_path / "a.eaf", [two / "bert.mp4.h5"], EventRule())
    root = ElementTree.parse(tmp_path / "a.eaf").getroot()
    assert root.tag == "ANNOTATION_DOCUMENT"
    assert {"AUTHOR", "DATE", "VERSION", "FORMAT"} <= set(root.keys())
    tags = [child.tag for child in root]
    assert tags == ["HEADER", "TIME_ORDER", *["TIER"] * (len(tags) - 3), "LINGUISTIC_TYPE"]
    header = root.find("HEADER")
    assert [child.tag for child in header or []] == ["MEDIA_DESCRIPTOR", *["PROPERTY"] * 3]
    assert header.get("TIME_UNITS") == "milliseconds"
    slots = {s.get("TIME_SLOT_ID"): int(s.get("TIME_VALUE")) for s in root.iter("TIME_SLOT")}
    ids = [a.get("ANNOTATION_ID") for a in root.iter("ALIGNABLE_ANNOTATION")]
    tiers = [t.get("TIER_ID") for t in root.iter("TIER")]
    assert len(set(ids)) == len(ids) > 0
    assert len(set(tiers)) == len(tiers)
    assert {t.get("LINGUISTIC_TYPE_REF") for t in root.iter("TIER")} == {
        root.find("LINGUISTIC_TYPE").get("LINGUISTIC_TYPE_ID")
    }
    for tier in root.iter("TIER"):
        spans = [
            (slots[a.get("TIME_SLOT_REF1")], slots[a.get("TIME_SLOT_REF2")])
            for a in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        assert all(start < end for start, end in spans)
        assert all(before[1] <= after[0] for before, after in pairwise(spans)), "ELAN allows no overlap"


def test_boris_project_pairs_starts_and_stops(two, tmp_path):
    code, said = run(two, "--out", tmp_path / "study.boris", "--release", 1, "--min-duration", 0)
    assert code == 0
    assert said.endswith(f"2 of 2 files written as boris in {tmp_path / 'study.boris'}\n")
    project = json.loads((tmp_path / "study.boris").read_text(encoding="utf-8"))
    assert list(project["observations"]) == ["sub dir/anna & é.mp4", "bert.mp4"]
    codes = {b["code"] for b in project["behaviors_conf"].values() if b["type"] == "State event"}
    subjects = {s["name"] for s in project["subjects_conf"].values()}
    for path, video in ((two / "anna.mp4.h5", "sub dir/anna & é.mp4"), (two / "bert.mp4.h5", "bert.mp4")):
        rows = project["observations"][video]["events"]
        assert rows == sorted(rows, key=lambda row: row[0])
        assert {r[2] for r in rows} <= codes
        assert {r[1] for r in rows} <= subjects
        paired = []
        for key in {(r[1], r[2]) for r in rows}:
            own = [r[0] for r in rows if (r[1], r[2]) == key]
            paired += [(*key, *pair) for pair in zip(own[::2], own[1::2], strict=True)]
        found = events_of(path, release=1, min_duration_s=0)
        assert sorted(paired) == sorted(
            (f"{video} track {e.track}", e.au, round(e.onset_s, 3), round(e.offset_s, 3)) for e in found
        )


def test_csv_of_all_holds_every_event_and_its_rule(two, tmp_path):
    assert run(two, "--format", "events-csv", "--out", tmp_path / "all.csv", "--release", 0.7)[0] == 0
    table = pd.read_csv(tmp_path / "all.csv")
    found = [e for p in ("anna", "bert") for e in events_of(two / f"{p}.mp4.h5", release=0.7)]
    expected = pd.DataFrame(found)
    assert list(table["video"].unique()) == ["sub dir/anna & é.mp4", "bert.mp4"]
    pd.testing.assert_frame_equal(table.drop(columns="video")[expected.columns], expected, atol=1e-6)
    told = json.loads((tmp_path / "all.csv-metadata.json").read_text())
    assert [c["name"] for c in told["tableSchema"]["columns"]] == list(table.columns)
    assert told["autrt:table"]["videos"][0]["release"] == 0.7
    assert told["autrt:table"]["videos"][0]["thresholds"] == {"AU12": THRESHOLD}


def test_damaged_results_are_left_out_of_events(two, tmp_path):
    (two / "c.h5").write_bytes(b"no")
    code, said = run(two, "--out", tmp_path / "all.boris")
    assert code == 3
    assert "2 of 3 files written as boris" in said
    code, said = run(two / "c.h5", "--out", tmp_path / "none.boris")
    assert code == 3
    assert not (tmp_path / "none.boris").exists()


@settings(max_examples=20, deadline=None)
@given(name=st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=8))
def test_any_name_makes_readable_files(tmp_path_factory, name):
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return
    folder = tmp_path_factory.mktemp("names")
    path = video_file(folder / "a.h5", {0: smile()}, 90, au_names=(name,), source=source(name))
    for fmt in ("elan", "boris", "events-csv"):
        assert export_events(fmt, folder / fmt, [path], EventRule()) == (1, [])
    ElementTree.parse(folder / "elan")
    project = json.loads((folder / "boris").read_text(encoding="utf-8"))
    assert project["observations"].popitem()[1]["file"]["1"] == [name]
    assert len(pd.read_csv(folder / "events-csv")) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "elan", "--out", "all.eaf"], "one video"),
        (["--out", "all.eaf", "--format", "csv"], "ends in .csv"),
        (["--release", "0.5"], "are for --format elan or boris or events-csv"),
        (["--format", "boris", "--columns", "score"], "columns are fixed"),
        (["--format", "elan", "--faces-only"], "faces alone"),
    ],
)
def test_conflicting_options_of_events_are_refused(two, monkeypatch, tmp_path, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, output = run(two, *arguments)
    assert code == 2
    assert said in " ".join(output.split())
