"""The index of an output folder: it spares opening files, and never changes what a run decides."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.errors import VideoError
from autrt.results.fingerprint import SourceFacts
from autrt.run import files as files_module
from autrt.run import result_state as result_state_module
from autrt.run.finished_file import FileState, FinishedFile
from autrt.run.manifest import Manifest, read_manifests
from autrt.run.manifest_event import ManifestEvent
from autrt.run.result_state import ResultState, result_state
from autrt.run.results_index import ResultsIndex
from autrt.run.shard import Shard
from autrt.types import Loss, Source
from tests.support.results import LOST, hashed_facts, header, results_file

MODEL = header().model_digest
SETTINGS = dict(header().settings)
NAME = "sub/ä\udcff\\.mp4"


class Folder:
    """One video, its results and their manifests."""

    def __init__(self, folder: Path, *, hashed: bool = True, lost: Sequence[Loss] = ()) -> None:
        self.hashed, self.lost = hashed, lost
        self.out = folder / "out"
        self.source = Source(folder / "in.mp4", NAME, "video")
        self.target = self.out / "sub" / "r.h5"
        self.source.path.write_bytes(b"1" * 999)
        self.compute()
        self.record()

    def compute(self, **changes) -> None:
        """Write results, as a run does."""
        results_file(self.target, [1], lost=self.lost, source=self.facts(), **changes)

    def facts(self) -> SourceFacts:
        return hashed_facts(self.source) if self.hashed else SourceFacts.of(self.source)

    def record(self, shard: Shard | None = None) -> None:
        """Note them in a manifest, as a run does."""
        facts, state = self.facts(), FileState.of(self.target)
        assert state
        digest = header(source=facts).run_digest
        with Manifest(self.out, shard) as manifest:
            manifest.record(NAME, "started")
            finished = FinishedFile.of(facts, digest, state, partial=bool(self.lost))
            manifest.record(NAME, "ok", run_digest=digest, finished=finished)

    def state(self, index: ResultsIndex | None = None, **changes) -> ResultState:
        return result_state(self.target, self.source, MODEL, SETTINGS | changes, index)

    def indexed(self) -> ResultState:
        return self.state(ResultsIndex.read(self.out))

    @property
    def manifest(self) -> Path:
        return self.out / "manifest.jsonl"


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def opened(monkeypatch) -> list[Path]:
    """The results files that were opened."""
    paths: list[Path] = []

    def note(path: Path):
        paths.append(path)
        return real(path)

    real = result_state_module.open_results
    monkeypatch.setattr(result_state_module, "open_results", note)
    return paths


def test_index_spares_opening_a_known_file(folder, opened):
    assert folder.indexed() == "finished"
    assert opened == []
    assert folder.state() == "finished"
    assert opened == [folder.target]


def test_index_notes_what_was_read(folder, opened):
    folder.manifest.unlink()
    index = ResultsIndex.read(folder.out)
    assert folder.state(index) == folder.state(index) == "finished"
    assert len(opened) == 1
    assert not folder.manifest.exists()
    index.save(folder.out, Shard(1, 2))
    index.save(folder.out, Shard(1, 2))
    (event,) = read_manifests(folder.out)
    assert (event.path, event.status) == (NAME, "found")
    assert event.run_digest == header(source=SourceFacts.of(folder.source)).run_digest
    assert folder.indexed() == "finished"
    assert len(opened) == 1


def test_index_has_a_touched_source_read_once(tmp_path, opened, monkeypatch):
    folder = Folder(tmp_path, hashed=False)
    os.utime(folder.source.path, ns=(5, 5))
    index = ResultsIndex.read(folder.out)
    assert folder.state(index) == "finished"
    index.save(folder.out)
    monkeypatch.setattr(files_module, "fingerprint", lambda path: pytest.fail("read again"))
    assert folder.indexed() == "finished"
    assert opened == [folder.target]


def test_index_spares_opening_the_results_of_a_touched_source(folder, opened):
    os.utime(folder.source.path, ns=(5, 5))
    assert folder.indexed() == "touched"
    assert opened == []


def test_index_without_news_writes_nothing(folder):
    before = folder.manifest.read_bytes()
    index = ResultsIndex.read(folder.out)
    folder.state(index)
    index.save(folder.out)
    assert folder.manifest.read_bytes() == before


def test_index_has_other_settings_read_from_the_file(folder, opened):
    """So a line that says something wrong costs no more than a look."""
    assert folder.state(ResultsIndex.read(folder.out), detect_every=9) == "other-settings"
    assert opened == [folder.target]
    text = folder.manifest.read_text()
    folder.manifest.write_text(text.replace('"run_digest": "', '"run_digest": "0'))
    assert folder.indexed() == "finished"


def test_index_takes_the_newest_line_of_several_manifests(folder, opened):
    folder.record(Shard(1, 2))
    folder.compute(engine="other")  # same numbers, another file
    folder.record(Shard(2, 2))
    folder.record(Shard(1, 2))
    assert folder.indexed() == "finished"
    assert opened == []
    with folder.manifest.open("ab") as file:  # a clock that was wrong, a file that is gone
        gone = FinishedFile("video", 1, 2, "f", "r", FileState(1, 2, 3, 4))
        file.write(ManifestEvent(path=NAME, status="ok", time=9e9, run_digest="r", finished=gone).line())
    assert folder.indexed() == "finished"
    assert len(opened) == 1


def test_index_survives_a_manifest_torn_at_any_byte(folder):
    whole = folder.manifest.read_bytes()
    for size in range(0, len(whole), 7):
        folder.manifest.write_bytes(whole[:size])
        assert folder.indexed() == "finished"


def test_index_of_a_missing_source_is_an_error(folder):
    folder.source.path.unlink()
    with pytest.raises(VideoError, match="cannot be read"):
        folder.indexed()


def test_result_state_names_every_state(folder):
    assert folder.state() == "finished"
    assert folder.state(detect_every=9) == "other-settings"
    moved = Source(folder.source.path, "other.mp4", "video")
    assert result_state(folder.target, moved, MODEL, SETTINGS) == "source-changed"
    folder.source.path.write_bytes(b"12")
    assert folder.state() == "source-changed"
    folder.target.write_bytes(b"12")
    assert folder.state() == "damaged"
    folder.target.unlink()
    assert folder.state() == "missing"


def keep_times(path: Path, data: bytes) -> None:
    """Write in place, and set the times back."""
    stat = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def restore(folder: Folder) -> None:
    """Put an older file back, times and all, as a backup does."""
    shutil.copy2(folder.target, folder.out / "old")
    folder.compute(engine="newer")
    folder.record()
    (folder.out / "old").replace(folder.target)


def swapped(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


ACTIONS = {
    "source touched": lambda f: os.utime(f.source.path, ns=(7, 7)),
    "source of the same size": lambda f: f.source.path.write_bytes(b"2" * 999),
    "source of another size": lambda f: f.source.path.write_bytes(b"3" * 99),
    "result of other settings": lambda f: f.compute(settings={"detect_every": 1}),
    "result of another version": lambda f: f.compute(engine="other"),
    "result deleted": lambda f: f.target.unlink(missing_ok=True),
    "result cut": lambda f: f.target.exists() and f.target.write_bytes(f.target.read_bytes()[:500]),
    "result overwritten in place": lambda f: (
        f.target.exists() and keep_times(f.target, swapped(f.target.read_bytes()))
    ),
    "result restored": lambda f: f.target.exists() and restore(f),
    "result linked": lambda f: f.target.exists() and os.link(f.target, f.out / f"{os.urandom(4).hex()}"),
    "computed": lambda f: (f.compute(), f.record()),
    "manifest torn": lambda f: f.manifest.exists() and f.manifest.write_bytes(f.manifest.read_bytes()[:-9]),
    "manifest deleted": lambda f: f.manifest.unlink(missing_ok=True),
    "noted": lambda f: (index := ResultsIndex.read(f.out), f.state(index), index.save(f.out)),
}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(sorted(ACTIONS)), max_size=8), st.booleans(), st.sampled_from([(), LOST]))
def test_index_decides_as_the_files_do_whatever_happens(tmp_path_factory, actions, hashed, lost):
    folder = Folder(tmp_path_factory.mktemp("run"), hashed=hashed, lost=lost)
    for action in actions:
        ACTIONS[action](folder)
        assert folder.indexed() == folder.state(), action
