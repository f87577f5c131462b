"""Packed stores: they take the place of a folder of pictures, byte for byte; stopping, damage, the command."""

from __future__ import annotations

import errno
import json
import os
import sys
import tarfile
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from autrt.aus import ABAW_AUS
from autrt.cli.pack import command
from autrt.errors import DiskFullError
from autrt.pipeline.recognise import StoppedError
from autrt_train.annotations.check import check_index
from autrt_train.annotations.read import DataSpec, read_data
from autrt_train.ensembling.validation_pictures import data_digest
from autrt_train.loading.augment import unaugmented_draws
from autrt_train.loading.loader import open_loader
from autrt_train.loading.read_picture import read_picture
from autrt_train.packed import write
from autrt_train.packed.picture_files import read_file
from autrt_train.packed.write import pack, verify_pack
from autrt_train.types import DataError
from tests.support.data_sets import affwild2, jpeg, names_of, text
from tests.support.pictures import write_classes, write_pictures

LOADERS = ["opencv", *(["dali"] if find_spec("nvidia") and find_spec("nvidia.dali") else [])]
SMALL = 20_000
"""Size of a shard in bytes, so that there are several."""


@pytest.fixture
def aff(tmp_path: Path) -> Path:
    """Aff-Wild2's layout with two videos, one in a folder of its own archive, and a foreign file."""
    root = tmp_path / "aff"
    row = ",".join("1" * len(ABAW_AUS))
    affwild2(root, {"a": [row] * 12, "b": [row] * 9})
    for number in range(1, 13):
        jpeg(root / "cropped_aligned" / "cropped_aligned" / "a" / f"{number:05d}.jpg", value=number)
    for number in range(2, 10):
        jpeg(root / "batch2" / "cropped_aligned_new_50_vids" / "b" / f"{number:05d}.jpg", value=50 + number)
    text(root / "cropped_aligned" / "cropped_aligned" / "a" / "Thumbs.db", "")
    return root


def read(root: Path, kind: str = "affwild2", **fields):
    return read_data(DataSpec(kind=kind, root=root, **fields))


def test_a_store_takes_the_place_of_the_folder(aff, tmp_path):
    report = pack(aff, tmp_path / "store", shard_bytes=SMALL)
    assert (report.pictures, report.copied, report.kept) == (20, 2, 0)
    assert report.shards > 1
    files, before = read(aff)
    packed, after = read(tmp_path / "store")
    assert names_of(packed, tmp_path / "store") == names_of(files, aff)
    np.testing.assert_array_equal(packed.labels, files.labels)
    assert after.remarks == before.remarks
    assert after.counts == {"missing_frames": 1, "row_mismatches": 1}
    for row in range(len(files)):
        assert read_file(bytes(packed.paths[row])) == files.path(row).read_bytes()
    report = check_index(files, packed, sample=None)
    assert report["duplicates"]["count"] == 20
    assert report["parts"]["validation"]["decoded"]["unreadable"]["count"] == 0
    assert len(data_digest(packed)) == 64


@pytest.mark.parametrize("name", LOADERS)
def test_loaders_read_a_store(aff, tmp_path, name):
    pack(aff, tmp_path / "store", shard_bytes=SMALL)
    pixels: list[np.ndarray] = []
    for root in (aff, tmp_path / "store"):
        index, _ = read(root)
        with closing(open_loader(name, index, threads=2)) as loader:
            draws = unaugmented_draws(index, np.arange(len(index)), 8)
            pixels.append(np.concatenate([np.asarray(batch.pixels) for batch in loader.load(draws)]))
    np.testing.assert_array_equal(*pixels)


def test_stores_are_opened_while_other_threads_read(tmp_path, monkeypatch):
    monkeypatch.setattr("autrt_train.packed.picture_files._OPEN", {})
    names = write_pictures(tmp_path / "0", count=2).parent.glob("*.png")
    picture = sorted(path.name for path in names)[0]
    pack(tmp_path / "0", tmp_path / "stores" / "0")
    for i in range(1, 300):
        (tmp_path / "stores" / str(i)).symlink_to("0")
    paths = [os.fsencode(tmp_path / "stores" / str(i) / picture) for i in range(300)]
    with quick_switches(), ThreadPoolExecutor(4) as threads:
        pictures = set(threads.map(read_file, paths))
    assert pictures == {(tmp_path / "0" / picture).read_bytes()}


@contextmanager
def quick_switches() -> Generator[None]:
    """Let threads take turns as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("name", LOADERS)
def test_a_picture_that_a_store_lacks_is_named(aff, tmp_path, name):
    pack(aff, tmp_path / "store")
    index, _ = read(tmp_path / "store")
    index.paths[3] = bytes(index.paths[3]).replace(b"00004", b"99999")
    with (
        closing(open_loader(name, index, threads=1)) as loader,
        pytest.raises(DataError, match=r"99999.jpg: expected a picture"),
    ):
        list(loader.load(unaugmented_draws(index, np.arange(8), 8)))


def test_manifests_and_class_folders_are_read_from_a_store(tmp_path):
    manifest = write_pictures(tmp_path / "pictures", count=16)
    write_classes(tmp_path / "classes")
    for kind, folder, spec in (
        ("manifest", "pictures", {"labels": manifest.name}),
        ("expression", "classes", {}),
    ):
        store = tmp_path / f"{folder}-store"
        pack(tmp_path / folder, store)
        files, _ = read(tmp_path / folder, kind, **spec)
        packed, issues = read(store, kind, **spec)
        assert names_of(packed, store) == names_of(files, tmp_path / folder)
        assert "foreign_files" not in issues.counts
        np.testing.assert_array_equal(read_picture(packed, 5), read_picture(files, 5))


def test_shards_are_plain_tar_files(aff, tmp_path):
    """webdataset takes what precedes the ending for the key of a sample; keys must not repeat within a shard."""
    pack(aff, tmp_path / "store", shard_bytes=SMALL)
    keys: list[str] = []
    for shard in sorted((tmp_path / "store" / "shards").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                data = tar.extractfile(member)
                assert data is not None
                assert data.read() == (aff / member.name).read_bytes()
                keys.append(member.name.rpartition(".")[0])
    assert len(set(keys)) == 20


def test_a_stopped_run_goes_on_and_an_unfinished_store_is_not_read(aff, tmp_path):
    stop = threading.Event()
    with pytest.raises(StoppedError):
        pack(aff, tmp_path / "store", shard_bytes=SMALL, stop=stop, advance=lambda done, total: stop.set())
    assert len(list((tmp_path / "store" / "shards").glob("*.tar"))) == 1
    with pytest.raises(DataError, match=r"found no pack.json: run `autrt pack` \(again\)"):
        verify_pack(tmp_path / "store")
    report = pack(aff, tmp_path / "store", shard_bytes=SMALL)
    assert report.kept == 1
    fresh = pack(aff, tmp_path / "other", shard_bytes=SMALL)
    for name in sorted(path.name for path in (tmp_path / "other" / "shards").glob("*.tar")):
        assert (tmp_path / "store" / "shards" / name).read_bytes() == (
            tmp_path / "other" / "shards" / name
        ).read_bytes()
    assert fresh.size_bytes == report.size_bytes
    jpeg(aff / "cropped_aligned" / "cropped_aligned" / "a" / "00001.jpg", value=200)
    assert pack(aff, tmp_path / "store", shard_bytes=SMALL).kept == report.shards - 1


def test_a_full_disk_leaves_no_store(aff, tmp_path, monkeypatch):
    pack(aff, tmp_path / "store", shard_bytes=SMALL)
    jpeg(aff / "cropped_aligned" / "cropped_aligned" / "a" / "00012.jpg", value=201)

    def full(source, name, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "_read", full)
    with pytest.raises(DiskFullError):
        pack(aff, tmp_path / "store", shard_bytes=SMALL)
    assert not (tmp_path / "store" / "pack.json").exists()
    assert not [path for path in (tmp_path / "store" / "shards").iterdir() if path.name.endswith(".part")]


def test_pack_command_packs_verifies_and_names_damage(aff, tmp_path):
    store = tmp_path / "store"

    def run(*arguments):
        return CliRunner().invoke(command, [*map(str, arguments), "--progress", "none"])

    done = run(aff, "--out", store, "--shard-mb", 1)
    assert done.exit_code == 0, done.output
    assert "20 pictures in 1 shards" in done.output
    assert "from an earlier run" in run(aff, "--out", store, "--shard-mb", 1).output
    assert "all shards are as they were written" in run(store, "--verify").output
    (shard,) = (store / "shards").glob("*.tar")
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    damaged = run(store, "--verify")
    assert damaged.exit_code == 1
    assert "00000.tar: its bytes are not those that were written" in damaged.output
    assert "lies in" in str(run(aff, "--out", aff / "store").exception)
    assert "--out" in str(run(aff).exception)
    facts = json.loads((store / "pack.json").read_text())
    (store / "pack.json").write_text(json.dumps(facts | {"schema": "other/1"}))
    assert "expected 'autrt-pack/1', found 'other/1'" in str(run(store, "--verify").exception)
    (tmp_path / "empty").mkdir()
    assert "expected pictures to pack, found none" in str(run(tmp_path / "empty", "--out", store).exception)
