"""What distilling stands on: arrays that fill up in chunks, a teacher's answers, and near-duplicates."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from autrt.model.assemble import save_ensemble
from autrt.model.export import save_model
from autrt.model.folder import Model, load_model
from autrt.model.load import torch_outputs
from autrt.model.student import Student, StudentConfig
from autrt.pipeline.recognise import StoppedError
from autrt.postprocess.ensemble import combine
from autrt.settings import InferSettings
from autrt_train.annotations.sets.manifest import read
from autrt_train.distill.distillation_data import teacher_decisions
from autrt_train.distill.near_duplicates import distinct_rows
from autrt_train.loading.read_picture import read_picture
from autrt_train.stop_request import StopRequest
from autrt_train.teacher import cached_outputs as teach_module
from autrt_train.teacher.cached_outputs import compute_targets
from autrt_train.teacher.chunked_arrays import ChunkedArrays
from autrt_train.teacher.picture_targets import ConcatenatedRows, PictureTargets, StandardisedFeatures
from autrt_train.teacher.teacher import Teacher
from autrt_train.types import DataError, Index
from tests.support.models import copied, pixels
from tests.support.networks import settled
from tests.support.pictures import AUS, write_pictures

pytest_plugins = ("tests.support.model_fixtures",)


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return read(write_pictures(tmp_path_factory.mktemp("pictures"), count=40))[0].with_labels(AUS)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of teachers' answers and of near-duplicates that nobody else has."""
    for module in ("teacher.cached_outputs", "cached_array"):
        monkeypatch.setattr(f"autrt_train.{module}.cache_dir", lambda: tmp_path)
    monkeypatch.setattr("autrt_train.model_outputs.BATCH", 8)
    monkeypatch.setattr(teach_module, "CHUNK", 1)
    return tmp_path


def test_chunked_arrays_resume_after_the_last_chunk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = {"a": rng.random((10, 3), np.float32), "b": rng.random((10, 2, 2), np.float32)}
    shapes = {"a": (3,), "b": (2, 2)}
    store = ChunkedArrays(tmp_path / "s", shapes, 10)
    store.write({name: values[:4] for name, values in whole.items()})
    with (tmp_path / "s" / "a.npy").open("r+b") as stream:  # what a kill in mid-chunk may leave
        stream.seek(-3, 2)
        stream.write(b"???")
    again = ChunkedArrays(tmp_path / "s", shapes, 10)
    assert again.done == 4
    again.write({name: values[4:] for name, values in whole.items()})
    for name, values in ChunkedArrays(tmp_path / "s", shapes, 10).arrays().items():
        np.testing.assert_array_equal(values, whole[name], strict=True)
        np.testing.assert_array_equal(np.load(tmp_path / "s" / f"{name}.npy"), whole[name])


def test_chunked_arrays_restart_if_damaged_or_reshaped(tmp_path: Path) -> None:
    shapes = {"a": (3,)}
    ChunkedArrays(tmp_path, shapes, 4).write({"a": np.ones((4, 3), np.float32)})
    assert ChunkedArrays(tmp_path, shapes, 4).done == 4
    assert ChunkedArrays(tmp_path, shapes, 5).done == 0
    assert ChunkedArrays(tmp_path, {"a": (2,)}, 4).done == 0
    with (tmp_path / "a.npy").open("r+b") as stream:
        stream.truncate(60)
    assert ChunkedArrays(tmp_path, shapes, 4).done == 0
    (tmp_path / "done.json").write_text("{")
    assert ChunkedArrays(tmp_path, shapes, 4).done == 0


def test_concatenated_rows_equal_one_array() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((5, 2), np.float32), rng.random((7, 2), np.float32)
    whole = np.concatenate([a, b])
    joined = ConcatenatedRows.of([ConcatenatedRows([a]), ConcatenatedRows([b])])
    rows = rng.integers(0, 12, 30)
    np.testing.assert_array_equal(joined.take(rows), whole[rows])
    some = joined.select(np.array([11, 0, 6]))
    np.testing.assert_array_equal(some.take(slice(None)), whole[[11, 0, 6]])
    np.testing.assert_array_equal(
        ConcatenatedRows.of([some, joined]).take(np.array([0, 3, 14])), whole[[11, 0, 11]]
    )


def test_standardised_features_stay_finite_if_constant() -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(5, 3, (400, 3)) * [1, 100, 0]).astype(np.float32)
    found = StandardisedFeatures.of(ConcatenatedRows([features])).take(np.arange(400))
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(found.std(0), [1, 1, 0], atol=1e-4)


def crops_of(index: Index) -> np.ndarray:
    return np.stack([read_picture(index, row) for row in range(len(index))])


def test_teacher_outputs_equal_the_networks_and_are_cached(
    pictures: Index, student_model: Model, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = Teacher(student_model, InferSettings())
    columns = teacher.columns(AUS)
    messages: list[str] = []
    found = compute_targets(teacher, pictures, columns, StopRequest(), messages.append, features=True)
    assert len(messages) == 1
    expected = torch_outputs(student_model.members[0], crops_of(pictures))
    np.testing.assert_allclose(found.logits(), expected["logits"][:, columns], atol=1e-3)
    assert found.features is not None
    assert found.landmarks is not None
    assert found.presence is not None
    np.testing.assert_allclose(found.features.take(slice(None)), expected["features"], atol=1e-3)
    np.testing.assert_allclose(found.landmarks.take(slice(None)), expected["landmarks"], atol=2e-2)
    np.testing.assert_allclose(found.presence.take(slice(None)), expected["presence"], atol=1e-3)

    def refuse(_: object) -> None:
        raise AssertionError("the teacher was opened again")

    monkeypatch.setattr(Teacher, "open", refuse)
    again = compute_targets(teacher, pictures, columns, StopRequest(), messages.append, features=False)
    assert len(messages) == 1
    assert again.features is None
    np.testing.assert_array_equal(again.logits(), found.logits())
    some = found.select(np.array([7, 3]))
    np.testing.assert_array_equal(some.logits(), found.logits()[[7, 3]])
    np.testing.assert_array_equal(
        PictureTargets.of([some, found]).logits(np.array([0, 2])), found.logits()[[7, 0]]
    )


def test_teacher_outputs_resume_after_a_stop(
    pictures: Index, student_model: Model, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, stop_request = Teacher(student_model, InferSettings()), StopRequest()
    columns = teacher.columns(AUS)
    asked: list[int] = []
    answer = Teacher.infer

    def counted(self: Teacher, engines: list, crops: np.ndarray) -> dict:
        asked.append(len(crops))
        if len(asked) == 2:
            stop_request.ask(15)
        return answer(self, engines, crops)

    monkeypatch.setattr(Teacher, "infer", counted)
    with pytest.raises(StoppedError):
        compute_targets(teacher, pictures, columns, stop_request, quiet, features=True)
    assert asked == [8, 8]
    found = compute_targets(teacher, pictures, columns, StopRequest(), quiet, features=True)
    assert asked == [8] * 5  # nothing twice
    monkeypatch.setattr("autrt_train.teacher.cached_outputs.cache_dir", lambda: cache / "other")
    whole = compute_targets(teacher, pictures, columns, StopRequest(), quiet, features=True)
    np.testing.assert_array_equal(found.logits(), whole.logits())
    assert found.features is not None
    assert whole.features is not None
    np.testing.assert_array_equal(found.features.take(slice(None)), whole.features.take(slice(None)))


def test_ensemble_teaches_its_logits_and_all_features(
    pictures: Index, student_model: Model, cache: Path
) -> None:
    network = settled(Student(StudentConfig(width=4, squeeze=8)), seed=5)
    small = save_model(cache / "small", network, crops=pixels(4), licence="CC0-1.0")
    weights = np.ones((2, 12), np.float32)
    weights[:, 1] = 3, 1
    model = save_ensemble(
        cache / "both", [student_model, small], weights, thresholds=[0.5] * 12, smoothing_windows=[1] * 12
    )
    teacher = Teacher(model, InferSettings())
    some = pictures.take(np.arange(6))
    found = compute_targets(
        teacher, some, teacher.columns(model.au_names), StopRequest(), quiet, features=True
    )
    told = [torch_outputs(member, crops_of(some)) for member in model.members]
    logits = combine(np.stack([one["logits"] for one in told], 1), model.weights)
    np.testing.assert_allclose(found.logits(), logits, atol=2e-3)
    assert found.features is not None
    assert found.features.shape == (6, 128 + 32)
    assert found.landmarks is not None
    np.testing.assert_allclose(found.landmarks.take(slice(None)), told[0]["landmarks"], atol=2e-2)


def test_teacher_decisions_follow_its_thresholds(student_model: Model) -> None:
    teacher = Teacher(student_model, InferSettings())
    columns = teacher.columns(("AU12", "AU99", "AU1"))
    assert columns.tolist() == [6, -1, 0]
    answers = np.zeros((2, 12), np.float32)
    answers[1, 6], answers[1, 0] = 100, -100
    found = teacher_decisions(
        PictureTargets(teacher_logits=ConcatenatedRows([answers]), columns=columns), teacher, columns
    )
    assert found.tolist() == [[1, -1, 1], [1, -1, 0]]  # thresholds are 0.5
    with pytest.raises(DataError, match=r"has none of the AUs.*expected some of AU99.*found AU1"):
        teacher.columns(("AU99",))
    assert teacher.columns(("AU12", "AU4", "AU1"), ("AU1", "AU12", "AU99")).tolist() == [6, -1, 0]
    with pytest.raises(DataError, match="asked about: expected some of AU99, found AU1, AU2"):
        teacher.columns(("AU12", "AU1"), ("AU99",))


def test_teacher_cache_depends_on_networks_and_pictures(
    pictures: Index, student_model: Model, cache: Path, tmp_path: Path
) -> None:
    teacher = Teacher(student_model, InferSettings())
    perturb = Teacher(load_model(copied(student_model, tmp_path / "moved")), InferSettings())
    assert perturb.digest == teacher.digest
    assert Teacher(student_model, InferSettings(precision="bf16")).digest != teacher.digest
    other = pictures.with_labels(("AU1", "AU4"))
    first = compute_targets(teacher, pictures, teacher.columns(AUS), StopRequest(), quiet, features=True)
    messages: list[str] = []
    compute_targets(
        teacher, other, teacher.columns(("AU1", "AU4")), StopRequest(), messages.append, features=True
    )
    assert messages == []  # labels don't count
    compute_targets(
        teacher,
        pictures.take(np.arange(5)),
        teacher.columns(AUS),
        StopRequest(),
        messages.append,
        features=True,
    )
    assert len(messages) == 1
    assert len(first) == 40


def track(folder: Path, levels: list[int], side: int = 112) -> list[str]:
    """Pictures of one track: a bright mouth of so many levels above grey."""
    folder.mkdir(parents=True)
    lines: list[str] = []
    rng = np.random.default_rng(0)
    for i, level in enumerate(levels, 1):
        picture = np.full((side, side, 3), 100, np.uint8)
        picture[80:96, 48:64] += level
        picture = np.clip(picture + rng.normal(0, 1, picture.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i:05d}.png"), picture)
        lines.append(f"{folder.parent.name}/{folder.name}/{i:05d}.png,{folder.parent.name},{i}")
    return lines


def test_near_duplicates_of_a_track_are_left_out(tmp_path: Path, cache: Path) -> None:
    rows = track(tmp_path / "v" / "0", [0, 1, 2, 3, 30, 31, 0])
    rows += track(tmp_path / "v" / "1", [0, 0])
    (tmp_path / "index.csv").write_text("\n".join(["path,video,frame", *rows]) + "\n")
    index, _ = read(tmp_path)
    # Slow change is compared with the last that was kept, so it does not slip through.
    assert distinct_rows(index, 2.5).tolist() == [0, 3, 4, 6, 7]
    assert distinct_rows(index, 8).tolist() == [0, 4, 6, 7]
    assert distinct_rows(index, 0).tolist() == list(range(9))
    assert len(list((cache / "distinct").iterdir())) == 2
    assert distinct_rows(index, 8).tolist() == [0, 4, 6, 7]  # remembered
    (tmp_path / "v" / "0" / "00002.png").unlink()
    with pytest.raises(DataError, match=r"00002\.png: expected a picture"):
        distinct_rows(index, 8)


def test_chunked_arrays_describe_their_content(tmp_path: Path) -> None:
    ChunkedArrays(tmp_path, {"a": (2,)}, 3).write({"a": np.zeros((1, 2), np.float32)})
    assert json.loads((tmp_path / "done.json").read_text())["done"] == 1
