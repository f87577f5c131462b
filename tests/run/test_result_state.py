"""Which videos a second run may skip."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import h5py
import pytest

from autrt.errors import VideoError
from autrt.results.fingerprint import SourceFacts, fingerprint, run_digest
from autrt.results.source_hash import sha256
from autrt.run.result_state import result_state, unchanged
from autrt.run.results_index import ResultsIndex
from autrt.types import Loss, Source
from tests.support.results import LOST, hashed_facts, header, results_file

MIB = 1 << 20
MODEL = header().model_digest
SETTINGS = dict(header().settings)


@pytest.fixture
def source(tmp_path) -> Source:
    path = tmp_path / "in" / "a.mp4"
    path.parent.mkdir()
    path.write_bytes(bytes(range(256)) * 20_000)
    return Source(path, "a.mp4", "video")


@pytest.fixture
def images(tmp_path) -> Source:
    folder = tmp_path / "in" / "frames"
    folder.mkdir(parents=True)
    for i in range(1, 5):
        (folder / f"{i:05d}.jpg").write_bytes(bytes(i))
    return Source(folder, "frames", "images")


def results_of(source: Source, tmp_path: Path, *, hashed: bool = False, lost: Sequence[Loss] = ()) -> Path:
    facts = hashed_facts(source) if hashed else SourceFacts.of(source)
    return results_file(tmp_path / "out" / "r.h5", [1], source=facts, lost=lost)


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def slow_fingerprint(data: bytes) -> str:
    return hashlib.sha256(
        len(data).to_bytes(8, "little") + data[:MIB] + data[max(len(data) - MIB, 0) :]
    ).hexdigest()


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 7])
def test_fingerprint_is_size_first_and_last_mib(tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    assert fingerprint(tmp_path / "a") == slow_fingerprint(data)


def is_finished(*arguments) -> bool:
    return result_state(*arguments) == "finished"


def test_result_is_finished_for_the_same_run(source, tmp_path):
    target = results_of(source, tmp_path)
    assert is_finished(target, source, MODEL, SETTINGS)
    assert not is_finished(tmp_path / "none.h5", source, MODEL, SETTINGS)
    assert not is_finished(target, source, "other model", SETTINGS)
    assert not is_finished(target, source, MODEL, SETTINGS | {"detect_every": 1})
    assert not is_finished(target, Source(source.path, "b.mp4", "video"), MODEL, SETTINGS)


def test_settings_are_equal_in_any_order_and_as_tuples(source, tmp_path):
    settings = {"a": (1, 2), "b": {"c": None, "d": 0.1}}
    target = results_file(tmp_path / "r.h5", [1], source=SourceFacts.of(source), settings=settings)
    assert is_finished(target, source, MODEL, {"b": {"d": 0.1, "c": None}, "a": [1, 2]})
    assert run_digest("f", "m", {"x": 1}) == run_digest("f", "m", {"x": 1})
    assert (
        len(
            {run_digest("f", "m", {"x": 1}), run_digest("f", "n", {"x": 1}), run_digest("f", "m", {"x": 1.5})}
        )
        == 3
    )


def test_result_of_a_touched_source_stays_finished(source, tmp_path):
    target = results_of(source, tmp_path)
    before = target.read_bytes()
    touch(source.path)
    assert is_finished(target, source, MODEL, SETTINGS)
    assert target.read_bytes() == before


def test_result_of_changed_bytes_is_not_finished(source, tmp_path):
    target = results_of(source, tmp_path)
    data = bytearray(source.path.read_bytes())
    data[-1] ^= 1
    source.path.write_bytes(data)
    touch(source.path)
    assert not is_finished(target, source, MODEL, SETTINGS)


def complete(path: Path, ns: int | None = 9) -> None:
    """Write other bytes between the first and last MiB, as a download does into a file of its final size."""
    with path.open("r+b") as file:
        file.seek(2 * MIB)
        file.write(b"complete" * 1000)
    if ns is not None:
        os.utime(path, ns=(ns, ns))


def check(source: Source, target: Path, **how) -> str:
    """Return the state of results, and of touched ones whether their source's bytes are those of before."""
    index = ResultsIndex()
    state = result_state(target, source, MODEL, SETTINGS, index, **how)
    if state != "touched":
        return state
    found = unchanged(target, source, index, threading.Event())
    return "changed bytes" if found is None else "same bytes"


@pytest.mark.parametrize("lost", [(), LOST])
def test_bytes_decide_where_the_time_is_another(source, tmp_path, lost):
    target = results_of(source, tmp_path, hashed=True, lost=lost)
    touch(source.path)
    assert check(source, target) == "same bytes"
    assert check(source, target, trust_fingerprint=True) == "finished"
    before = fingerprint(source.path)
    complete(source.path)
    assert fingerprint(source.path) == before
    assert check(source, target) == "changed bytes"
    assert check(source, target, trust_fingerprint=True) == "finished"


def test_partial_results_without_a_hash_are_done_again_where_the_time_is_another(source, tmp_path):
    target = results_of(source, tmp_path, lost=LOST)
    assert check(source, target) == "finished"
    touch(source.path)
    assert check(source, target) == "source-changed"
    assert check(source, target, trust_fingerprint=True) == "finished"


def test_whole_results_without_a_hash_are_kept_by_the_fingerprint(source, tmp_path):
    target = results_of(source, tmp_path)
    touch(source.path)
    assert check(source, target) == "finished"


def test_partial_results_notice_a_change_whose_time_was_set_back(source, tmp_path):
    mtime_ns = source.path.stat().st_mtime_ns
    target = results_of(source, tmp_path, hashed=True, lost=LOST)
    assert check(source, target) == "finished"
    source.path.chmod(0o600)
    assert check(source, target) == "same bytes"
    complete(source.path, mtime_ns)
    assert check(source, target) == "changed bytes"


@pytest.mark.parametrize("change", ["rewritten", "renamed", "replaced by an older one"])
def test_pictures_that_changed_are_noticed(images, tmp_path, change):
    target = results_of(images, tmp_path, hashed=True)
    first, second = images.path / "00001.jpg", images.path / "00002.jpg"
    if change == "rewritten":
        second.write_bytes(b"ab")
    elif change == "renamed":
        second.rename(images.path / "x")
        first.rename(second)
        (images.path / "x").rename(first)
    else:
        shutil.copy2(second, images.path / ".new")
        (images.path / ".new").write_bytes(b"ab")
        os.utime(images.path / ".new", (1, 1))
        (images.path / ".new").rename(second)
    assert check(images, target) == "changed bytes"


def test_source_is_not_opened_where_size_and_time_agree(source, tmp_path):
    target = results_of(source, tmp_path)
    stat = source.path.stat()
    source.path.write_bytes(bytes(stat.st_size))  # only a reader of the bytes could tell
    os.utime(source.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert is_finished(target, source, MODEL, SETTINGS)


def test_result_of_another_size_is_not_finished(source, tmp_path):
    target = results_of(source, tmp_path)
    stat = source.path.stat()
    with source.path.open("ab") as file:
        file.write(b"x")
    os.utime(source.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not is_finished(target, source, MODEL, SETTINGS)


def test_result_of_an_image_folder_is_finished(images, tmp_path):
    target = results_of(images, tmp_path)
    assert is_finished(target, images, MODEL, SETTINGS)
    (images.path / ".DS_Store").write_bytes(b"x")
    assert is_finished(target, images, MODEL, SETTINGS)
    for path in images.path.iterdir():
        touch(path)
    assert is_finished(target, images, MODEL, SETTINGS)
    (images.path / "00004.jpg").rename(images.path / "00005.jpg")
    assert not is_finished(target, images, MODEL, SETTINGS)


def test_result_of_a_folder_with_another_picture_is_not_finished(images, tmp_path):
    target = results_of(images, tmp_path)
    shutil.copy(images.path / "00004.jpg", images.path / "00005.jpg")
    assert not is_finished(target, images, MODEL, SETTINGS)
    (images.path / "00005.jpg").unlink()
    assert is_finished(target, images, MODEL, SETTINGS)
    (images.path / "00001.jpg").unlink()
    assert not is_finished(target, images, MODEL, SETTINGS)


def test_hash_is_that_of_the_whole_file(source, images):
    assert sha256(source.path) == hashlib.sha256(source.path.read_bytes()).hexdigest()
    before = hashed_facts(images)
    (images.path / "00003.jpg").write_bytes(b"abc")
    after = hashed_facts(images)
    assert before.fingerprint == after.fingerprint
    assert before.sha256 != after.sha256


@pytest.mark.parametrize("damage", ["empty", "half", "foreign", "unfinished", "folder", "text"])
def test_damaged_and_foreign_files_are_not_finished(source, tmp_path, damage):
    target = results_of(source, tmp_path)
    raw = target.read_bytes()
    if damage == "unfinished":
        with h5py.File(target, "r+") as file:
            file.attrs["complete"] = False
    else:
        target.unlink()
    if damage == "folder":
        target.mkdir()
    elif damage == "foreign":
        with h5py.File(target, "w") as file:
            file["x"] = 1
    elif damage in ("empty", "half", "text"):
        target.write_bytes({"empty": b"", "half": raw[: len(raw) // 2], "text": b"hello"}[damage])
    assert not is_finished(target, source, MODEL, SETTINGS)


def test_result_state_of_a_missing_source_is_an_error(source, tmp_path):
    target = results_of(source, tmp_path)
    source.path.unlink()
    with pytest.raises(VideoError, match="cannot be read"):
        is_finished(target, source, MODEL, SETTINGS)
    with pytest.raises(VideoError, match="cannot be read"):
        SourceFacts.of(source)


def test_result_state_says_why_a_video_is_done_again(source, tmp_path):
    def state(**changes):
        return result_state(
            **{"target": target, "source": source, "model_digest": MODEL, "settings": SETTINGS} | changes
        )

    target = results_of(source, tmp_path)
    assert state() == "finished"
    assert state(target=tmp_path / "none.h5") == "missing"
    assert state(model_digest="other") == state(settings=SETTINGS | {"detect_every": 1}) == "other-settings"
    assert state(source=Source(source.path, "b.mp4", "video")) == "source-changed"
    source.path.write_bytes(source.path.read_bytes() + b"x")
    assert state() == state(model_digest="other") == "source-changed"
    target.write_bytes(target.read_bytes()[:1000])
    assert state() == "damaged"
