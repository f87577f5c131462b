"""`autrt.Recogniser` on pictures in memory and on streams, with the real networks."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest

import autrt
from autrt.errors import UsageError
from autrt.model.folder import load_model
from autrt.recogniser.scores import recognised_faces
from autrt.types import Faces
from tests.support.absent import without
from tests.support.fetched import fetched
from tests.support.media import write_picture

pytest_plugins = ("tests.support.model_fixtures",)

GREY = np.full((8, 8, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def recogniser():
    fetched("centerface")
    with autrt.Recogniser(engine="onnxruntime") as opened:
        yield opened


@pytest.fixture(scope="module")
def pictures() -> list[tuple[np.ndarray, float]]:
    """The frames of a clip of one person, with their times."""
    with av.open(str(fetched("clip-smile"))) as container:
        return [(frame.to_ndarray(format="rgb24"), frame.time) for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The results file of the same clip."""
    out, clip = tmp_path_factory.mktemp("out"), fetched("clip-smile")
    autrt.infer(clip, out, engine="onnxruntime")
    with autrt.open_results(out / f"{clip.name}.h5") as results:
        yield results


def test_landmarks_of_an_upside_down_face_keep_the_order_of_the_face(recogniser, pictures):
    upright = pictures[40][0]
    turned = np.ascontiguousarray(upright[::-1, ::-1])
    before, after = recogniser(upright), recogniser(turned)
    assert len(before) == len(after) == 1
    assert before.landmarks[0, 0, 0] < before.landmarks[0, 1, 0]  # left first
    assert after.landmarks[0, 0, 0] > after.landmarks[0, 1, 0]
    assert after.landmarks[0, 3, 0] > after.landmarks[0, 4, 0]
    assert after.landmarks[0, :2, 1].min() > after.landmarks[0, 3:, 1].max()  # eyes below the mouth


def test_recogniser_sees_what_infer_sees_in_a_picture(recogniser, pictures, tmp_path):
    write_picture(tmp_path / "a.png", pictures[40][0][:, :, ::-1][:, :, ::-1])
    autrt.infer(tmp_path / "a.png", tmp_path / "out", engine="onnxruntime")
    faces = recogniser(pictures[40][0])
    with autrt.open_results(tmp_path / "out" / "a.png.h5") as results:
        np.testing.assert_array_equal(faces.box, results.faces["box"])
        np.testing.assert_allclose(faces.logit, results.faces["logit"], atol=1e-4)
        np.testing.assert_array_equal(faces.smoothed, faces.probability)
        assert faces.au_names == results.au_names


def test_recogniser_finds_nobody_in_an_empty_picture(recogniser):
    faces = recogniser(np.full((120, 160, 3), 128, np.uint8))
    assert len(faces) == 0
    assert faces.logit.shape == (0, 12)
    assert repr(faces) == "<RecognisedFaces: no face, 12 AUs>"
    assert faces.to_dataframe().shape == (0, 65)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((8, 8), np.uint8), "found uint8 of shape 8×8: repeat a grey picture"),
        (np.zeros((8, 8, 1), np.uint8), "repeat a grey picture"),
        (np.zeros((8, 8, 4), np.uint8), "alpha channel"),
        (np.zeros((8, 8, 3), np.float32), "found float32 of shape 8×8×3: values from 0 to 1 become"),
        (np.zeros((2, 8, 8, 3), np.uint8), "one by one"),
        (
            np.zeros((3, 8, 9), np.uint8),
            r"3×8×9: move the channels to the end with picture.transpose\(1, 2, 0\)",
        ),
        (np.zeros((8, 8, 2), np.uint8), "8×8×2$"),
        (np.zeros((0, 8, 3), np.uint8), "0×8×3$"),
        (np.full((8, 8, 3), 200.0), "found float64 .*: values from 0 to 255 become"),
        (np.full((8, 8, 3), 200), "found int64 .*: values from 0 to 255 become"),
        (np.full((8, 8, 3), 300, np.uint16), "go from 300 to 300, not from 0 to 255"),
        (np.ones((8, 8, 3), bool), "a mask becomes"),
        ([[[1, 2, 3]]], "found int64 of shape 1×1×3: values from 0 to 255 become"),
        ([[1], [2, 3]], "found list: "),
        (None, r"found None \(NoneType\)$"),
        ("a.jpg", "found 'a.jpg': `autrt.recognise` reads files"),
        (Path("a.jpg"), "`autrt.recognise` reads files"),
    ],
)
def test_recogniser_refuses_other_arrays(recogniser, picture, message):
    with pytest.raises(UsageError, match=message):
        recogniser(picture)


@pytest.mark.parametrize("mode", ["P", "L", "RGBA"])
def test_recogniser_refuses_images_of_other_modes(recogniser, mode):
    image = pytest.importorskip("PIL.Image").new(mode, (8, 8))
    with pytest.raises(UsageError, match=f"an image of mode {mode}: pass image.convert"):
        recogniser(image)


def test_recogniser_gives_threads_the_same_numbers(recogniser, pictures):
    some = [picture for picture, _ in pictures[::12]]
    alone = [recogniser(picture) for picture in some]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(recogniser, some))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a.logit, b.logit)
        np.testing.assert_array_equal(a.box, b.box)


def test_stream_yields_each_frame_before_it_asks_for_the_next(recogniser, pictures):
    asked = []

    def camera():
        for picture, time_s in pictures[:20]:
            asked.append(time_s)
            yield picture, time_s

    for number, frame in enumerate(recogniser.stream(camera())):
        assert len(asked) == number + 1
        assert (frame.index, frame.time_s) == (number, asked[-1])


def test_stream_follows_a_face_as_a_file_does(recogniser, pictures, stored):
    frames = list(recogniser.stream(pictures))
    assert [len(frame.faces) for frame in frames] == [1] * len(frames)
    assert {int(frame.faces.track[0]) for frame in frames} == {0}
    sources = np.concatenate([frame.faces.source for frame in frames])
    assert 0.1 < np.mean(sources == 0) < 0.3  # detected every 0.2 s
    landmarks = np.concatenate([frame.faces.landmarks for frame in frames])
    eyes_px = np.linalg.norm(landmarks[:, 1] - landmarks[:, 0], axis=1)
    apart = np.linalg.norm(landmarks - stored.faces["landmarks"], axis=2).mean(axis=1) / eyes_px
    assert apart.mean() < 0.05
    au12 = np.array([frame.faces[0]["AU12"] for frame in frames])
    assert np.corrcoef(au12, stored.faces["smoothed"][:, stored.au_names.index("AU12")])[0, 1] > 0.8


def test_stream_refuses_a_model_that_looks_ahead(temporal_model, pictures):
    with autrt.Recogniser(temporal_model.path, engine="onnxruntime") as opened:
        assert len(opened(pictures[0][0])) == 1
        with pytest.raises(
            UsageError, match=r"looks 0\.4 s ahead: stream with the model that it was made from"
        ):
            next(opened.stream(pictures))


def test_infer_with_a_temporal_network_gives_what_recognise_gives(temporal_model, tmp_path):
    fetched("centerface")
    clip = fetched("clip-smile")
    autrt.infer(clip, tmp_path, model=temporal_model.path, engine="onnxruntime", features=True)
    with autrt.open_results(tmp_path / f"{clip.name}.h5") as results:
        assert results.header.temporal_digest == temporal_model.temporal.file.sha256
        assert results.faces["features"].shape == (results.n_faces, 128)
        assert "features_0" not in results.to_dataframe().columns
        frames = list(autrt.recognise(clip, model=temporal_model.path, engine="onnxruntime"))
        found = np.concatenate([frame.faces.smoothed for frame in frames])
        np.testing.assert_allclose(found, results.faces["smoothed"], atol=1e-6)
        assert np.abs(results.faces["smoothed"] - results.faces["probability"]).max() > 0.1
    with pytest.raises(UsageError, match="baseline: expected none"):
        autrt.infer(clip, tmp_path / "b", model=temporal_model.path, baseline="p20")


def test_stream_refuses_times_that_do_not_increase(recogniser, pictures):
    picture = pictures[0][0]
    with pytest.raises(UsageError, match=r"found 1.0 s after 1.0 s"):
        list(recogniser.stream([(picture, 0.5), (picture, 1.0), (picture, 1.0)]))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([(GREY, float("nan"))], "expected a finite time in seconds, found nan"),
        ([(GREY, float("inf"))], "expected a finite time in seconds, found inf"),
        ([(GREY, None)], "pairs of a picture and its time in seconds, found a pair of an array .* and None"),
        ([(GREY, "a")], "found a pair of an array of shape 8×8×3 and 'a'"),
        ([(0.5, GREY)], "found a pair of 0.5 and an array of shape 8×8×3"),
        ([GREY], "found an array of shape 8×8×3"),
        (GREY, "found an array of shape 8×3"),
        ([(GREY, 0.0, 1)], "found a tuple"),
        (5, "pairs of a picture and its time in seconds, found 5"),
    ],
)
def test_stream_refuses_what_is_no_picture_with_a_time(recogniser, frames, message):
    with pytest.raises(UsageError, match=message):
        list(recogniser.stream(frames))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_recogniser_refuses_to_work_in_another_process(recogniser):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            recogniser(GREY)
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    assert (
        os.read(reader, 1000).decode().startswith("UsageError: this Recogniser was opened in another process")
    )
    os.close(reader)
    with pytest.raises(TypeError, match="cannot be pickled: open one in each process"):
        pickle.dumps(recogniser)


def test_recogniser_refuses_options_of_other_types():
    for options, message in [
        ({"device": None}, "device: expected text"),
        ({"offline": "no"}, "offline: expected True or False"),
        ({"on_message": 5}, "on_message: expected a function"),
        ({"model": b"student"}, "model: expected a path"),
    ]:
        with pytest.raises(UsageError, match=message):
            autrt.Recogniser(**options)


def test_faces_are_chosen_by_index_slice_mask_and_name():
    faces = recognised_faces(load_model(), three_faces(), *np.ones((2, 3, 12), np.float32))
    assert [face.track for face in faces] == [0, 1, 2]
    assert faces[1:].track.tolist() == [1, 2]
    assert faces[faces.track != 1].box.tolist() == faces.box[[0, 2]].tolist()
    assert (faces[-1].track, faces[np.int64(1)].track, len(faces[[2]])) == (2, 1, 1)
    assert faces["AU12"].shape == (3,)
    assert faces != faces[:]
    for wrong in ("AU99", "12"):
        for chosen in (faces, faces[0]):
            with pytest.raises(KeyError, match=f"no Action Unit '{wrong}': expected one of AU1, "):
                chosen[wrong]
    with pytest.raises(TypeError, match="expected an index, a slice, a mask"):
        faces[2.5]  # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(IndexError):
        faces[3]


def three_faces() -> Faces:
    track = np.arange(3, dtype=np.int32)
    box = np.float32([[0, 0, 8, 8]]) + 10 * track[:, None].astype(np.float32)
    landmarks, score = np.zeros((3, 5, 2), np.float32), np.ones(3, np.float32)
    return Faces(
        row=np.zeros(3, np.int64),
        boxes=box,
        landmarks=landmarks,
        score=score,
        track=track,
        source=np.zeros(3, np.uint8),
    )


def test_recogniser_refuses_to_work_after_its_close(pictures):
    fetched("centerface")
    with autrt.Recogniser() as closed:
        stream = closed.stream(pictures)
        next(stream)
    for work in (lambda: closed(pictures[0][0]), lambda: next(stream)):
        with pytest.raises(UsageError, match="was closed"):
            work()
    assert repr(closed).endswith(", closed>")
    closed.close()


def test_dataframes_have_the_columns_of_results(recogniser, pictures, stored):
    (frame,) = recogniser.stream(pictures[:1])
    table = frame.to_dataframe()
    expected = stored.to_dataframe(faces_only=True)
    expected = expected.drop(columns=["video", "quality", "sharpness"]).iloc[:1]  # files alone judge quality
    assert list(table) == list(expected)
    assert [str(kind) for kind in table.dtypes] == [str(kind) for kind in expected.dtypes]
    assert list(frame.faces.to_dataframe(["AU12_active"])) == ["track", "AU12_active"]
    assert list(frame.faces.to_dataframe("box")) == list(frame.faces.to_dataframe(["box"]))
    for wrong in ("logits", "member_logit", "damaged", "person"):
        with pytest.raises(UsageError, match=f"no column '{wrong}'.* logit, "):
            frame.faces.to_dataframe(wrong)
    assert table["AU12_smoothed"].item() == pytest.approx(frame.faces["AU12"][0])


def test_dataframes_say_what_they_need(tmp_path: Path):
    code = """
import numpy as np
from autrt.errors import MissingDependencyError
from autrt.model.folder import load_model
from autrt.recogniser.scores import recognised_faces
from autrt.types import Faces
none = np.empty((0, 12), np.float32)
try:
    recognised_faces(load_model(), Faces.empty(), none, none).to_dataframe()
except MissingDependencyError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=without(tmp_path, "pandas"),
    )
    assert done.stdout.strip().endswith("pip install 'autrt[tables]'")
