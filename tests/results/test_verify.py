"""The verifier: sound files have no faults, and no fault goes unseen."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from autrt.results.schema import COLUMNS
from autrt.results.verification.verify import verify
from tests.support.results import results_file

COUNTS = [1, 0, 2, 1] * 1500
LATE = 5000


def put(path: str, row: int, value: Any) -> Callable[[Any], None]:
    def edit(file: Any) -> None:
        rows = file[path][:]
        rows[row] = value
        file[path][:] = rows

    return edit


def flip(path: str, row: int) -> Callable[[Any], None]:
    return lambda file: put(path, row, ~file[path][row])(file)


def drop_row(path: str) -> Callable[[Any], None]:
    return lambda file: rewrite(file, path, file[path][:-1])


def rewrite(file: Any, path: str, rows: Any) -> None:
    """Put other rows into the column, its attributes kept."""
    kept, dtype = dict(file[path].attrs), file[path].dtype
    del file[path]
    file.create_dataset(path, data=rows, dtype=dtype).attrs.update(kept)


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> bytes:
    path = results_file(tmp_path_factory.mktemp("sound") / "a.h5", COUNTS, baseline="p5")
    assert verify(path) == []
    return path.read_bytes()


@pytest.fixture
def path(sound, tmp_path) -> Path:
    target = tmp_path / "a.h5"
    target.write_bytes(sound)
    return target


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (put("frames/time_s", LATE, 0.0), "/frames/time_s does not increase (first in row 5000)"),
        (put("frames/time_s", LATE, np.nan), "/frames/time_s does not increase (first in row 5000)"),
        (put("frames/time_s", 5999, np.inf), "/frames/time_s is not finite (first in row 5999)"),
        (put("frames/index", 4096, 4095), "/frames/index does not increase (first in row 4096)"),
        (put("frames/index", 0, -1), "/frames/index is negative (first in row 0)"),
        (put("frames/n_faces", 0, 2), "/frames/n_faces is not the number of faces (first in row 0)"),
        (put("faces/frame", 5999, 6000), "/faces/frame is no row of /frames (first in row 5999)"),
        (put("faces/frame", 4096, 0), "/faces is not ordered by frame, then track (first in row 4096)"),
        (put("faces/track", 2, 0), "/faces is not ordered by frame, then track (first in row 2)"),
        (put("faces/box", LATE, np.nan), "/faces/box is not finite (first in row 5000)"),
        (put("faces/box", 3, [9, 0, 8, 1]), "/faces/box is inside out (first in row 3)"),
        (put("faces/landmarks", LATE, np.inf), "/faces/landmarks is not finite (first in row 5000)"),
        (put("faces/score", 1, 1.5), "/faces/score is not in 0…1 (first in row 1)"),
        (put("faces/score", 1, np.nan), "/faces/score is not in 0…1 (first in row 1)"),
        (put("faces/source", 1, 3), "/faces/source is no known code (first in row 1)"),
        (put("faces/logit", 7, np.nan), "/faces/logit is not finite (first in row 7)"),
        (put("faces/logit", 7, 0.125), "/faces/probability is not sigmoid(logit) (first in row 7)"),
        (
            put("faces/probability", LATE, np.nan),
            "/faces/probability is not sigmoid(logit) (first in row 5000)",
        ),
        (put("faces/smoothed", 5, 1.1), "/faces/smoothed is not in 0…1 (first in row 5)"),
        (flip("faces/active", LATE), "/faces/active is not smoothed >= threshold (first in row 5000)"),
        (put("faces/member_logit", 9, -np.inf), "/faces/member_logit is infinite (first in row 9)"),
        (put("tracks/id", 1, 7), "/tracks/id disagrees with /faces (first in row 1)"),
        (put("tracks/first_frame", 0, 1), "/tracks/first_frame disagrees with /faces (first in row 0)"),
        (put("tracks/last_frame", 1, 1), "/tracks/last_frame disagrees with /faces (first in row 1)"),
        (put("tracks/n_faces", 1, 1), "/tracks/n_faces disagrees with /faces (first in row 1)"),
        (put("tracks/baseline", 0, np.inf), "/tracks/baseline is infinite (first in row 0)"),
        (put("lost/time_s", 0, np.nan), "/lost/time_s is not finite (first in row 0)"),
        (put("lost/packets", 0, -1), "/lost/packets is negative (first in row 0)"),
        (put("faces/box", 3, [0, 0, 1, 1]), "/faces/box differs from its checksum"),
        (put("lost/reason", 0, b"nothing"), "/lost/reason differs from its checksum"),
        (drop_row("faces/score"), "columns of one table differ in length"),
    ],
)
def test_every_broken_rule_is_named(path, edit, fault):
    with h5py.File(path, "r+") as file:
        edit(file)
    assert any(problem.startswith(fault) for problem in verify(path)), verify(path)


OPTIONAL = (
    "faces/member_logit", "faces/features", "faces/quality", "faces/sharpness", "frames/damaged", "frames/picture",
    "frames/width", "frames/height", "tracks/person",
)  # fmt: skip
NEEDED = [c for c in COLUMNS if c.path not in OPTIONAL]


@pytest.mark.parametrize("column", NEEDED, ids=lambda column: column.path)
def test_a_column_that_is_missing_or_of_another_type_is_named(path, column):
    with h5py.File(path, "r+") as file:
        del file[column.path]
    assert verify(path) == [f"/{column.path} is missing"]
    with h5py.File(path, "r+") as file:
        file[column.path] = np.zeros(3, np.complex64)
    assert verify(path)[0].startswith(f"/{column.path}: expected rows of {column.dtype}")


def test_tracks_that_are_too_many(path):
    with h5py.File(path, "r+") as file:
        for name in list(file["tracks"]):
            rows: Any = file[f"tracks/{name}"][:]
            rewrite(file, f"tracks/{name}", np.repeat(rows, 2, axis=0))
    assert "/tracks has more or fewer tracks than /faces" in verify(path)


@pytest.mark.parametrize("change", [("unit", "furlong"), ("description", "")])
def test_a_column_says_what_it_is(path, change):
    with h5py.File(path, "r+") as file:
        file["faces/box"].attrs[change[0]] = change[1]
    assert verify(path) == ["/faces/box: expected unit 'px' and a description"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("au_names", ["AU9", "AU2", "AU12"]), ("thresholds", [0.0, 0.0, 0.0]), ("note", "mine")],
)
def test_changed_attributes_are_seen(path, name, value):
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    assert "attributes differ from their checksum" in verify(path)


def test_changed_facts_are_seen(path):
    with h5py.File(path, "r+") as file:
        facts = json.loads(file.attrs["header"])
        file.attrs["header"] = json.dumps(facts | {"model_name": "other"})
    assert verify(path) == ["attributes differ from their checksum"]


def test_attributes_of_columns_must_agree_with_the_facts(path):
    with h5py.File(path, "r+") as file:
        file["frames/pts"].attrs["time_base_den"] = 25
    assert "attribute time_base_den differs from the one in header" in verify(path)


def test_settings_and_run_digest_must_agree(path):
    with h5py.File(path, "r+") as file:
        facts = json.loads(file.attrs["header"])
        file.attrs["header"] = json.dumps(facts | {"settings": {"detect_every": 7}})
    assert "run_digest is not that of the fingerprint, model and settings" in verify(path)


def contents(path: Path) -> dict[str, str]:
    """All that a reader could see."""
    seen: dict[str, str] = {}

    def note(name: str, item: Any) -> None:
        rows = item[()].tobytes() if isinstance(item, h5py.Dataset) else b""
        seen[name] = repr((rows, sorted((k, repr(v)) for k, v in item.attrs.items())))

    with h5py.File(path) as file:
        file.visititems(note)
        note("/", file)
    return seen


OLD = Path(__file__).parents[1] / "data"


@pytest.fixture(params=["2", "2 in chunks", "1", "1 with members and baseline"])
def whole(request, tmp_path) -> Path:
    """A sound file of each schema and storage."""
    path = tmp_path / "a.h5"
    match request.param:
        case "2":
            results_file(path, [1, 2] * 30, baseline="p5")
        case "2 in chunks":
            results_file(path, [1, 2] * 300)
        case "1":
            path.write_bytes(gzip.decompress((OLD / "results-1.h5.gz").read_bytes()))
        case _:
            path.write_bytes(gzip.decompress((OLD / "results-1-members-baseline.h5.gz").read_bytes()))
    assert verify(path) == []
    return path


def test_a_flipped_bit_is_seen_or_changes_nothing(whole):
    raw, before = whole.read_bytes(), contents(whole)
    draw = random.Random(7)
    found = 0
    for _ in range(80):
        damaged = bytearray(raw)
        damaged[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
        whole.write_bytes(damaged)
        if verify(whole):
            found += 1
        else:
            assert contents(whole) == before
    assert found > 12


def test_a_cut_file_is_seen_wherever_it_was_cut(whole):
    raw = whole.read_bytes()
    for size in [*range(0, len(raw), len(raw) // 40), len(raw) - 1]:
        whole.write_bytes(raw[:size])
        assert len(verify(whole)) == 1
        assert verify(whole)[0].startswith("no whole HDF5 file")


def test_a_missing_file_and_a_folder(tmp_path):
    assert verify(tmp_path / "a.h5") == ["there is no such file"]
    assert verify(tmp_path) != []


def test_a_file_that_the_process_has_open_already(path):
    with h5py.File(path) as file:
        assert file.attrs["complete"]
        assert verify(path) == []
