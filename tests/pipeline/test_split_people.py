"""The stage that ends a track where another person's face goes on in it, on made-up faces and scenes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from autrt.pipeline.split_people import split_people
from autrt.types import DETECTED, Faces, Frame, Segment
from tests.support.fakes import FakeImage

EVERY = 6


def texture(seed: int, height: int, width: int, channels: int = 1) -> np.ndarray:
    """A smooth random picture, float."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (6, 6, channels)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)


def scene(seed: int) -> np.ndarray:
    return texture(100 + seed, 18, 32, 3)


def face(seed: int) -> np.ndarray:
    return texture(seed, 28, 28)[..., 0]


def noisy(picture: np.ndarray, seed: int) -> np.ndarray:
    return np.clip(picture + np.random.default_rng(seed).normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def changing(make, length: int, at: int, between: int, *, dip: bool = False) -> list[np.ndarray]:
    """Pictures of `make(0)`, then `make(1)`, with a dissolve or a dip to black of `between` frames from `at` on."""
    out = []
    for i in range(length):
        share = float(np.clip((i - at + 1) / (between + 1), 0, 1))
        mixed = make(0) * (1 - share) + make(1) * share
        if dip:
            mixed = make(int(share >= 0.5)) * abs(1 - 2 * share)
        out.append(noisy(mixed, i))
    return out


def segments(scenes, *tracks, missing=lambda track, row: False):
    """Segments of `EVERY` frames; a track is a list of small faces, from the left to the right."""
    ends = sorted({0, *range(EVERY, len(scenes), EVERY), len(scenes) - 1})
    start = 0
    for end in ends:
        rows = range(start, end + 1)
        start = end + 1
        shown = [(row, track) for row in rows for track in range(len(tracks)) if not missing(track, row)]
        n = len(shown)
        table = Faces(
            row=np.array([row for row, _ in shown], np.int64),
            boxes=np.array([[100 * t, 0, 100 * t + 50, 50] for _, t in shown], np.float32).reshape(n, 4),
            landmarks=np.zeros((n, 5, 2), np.float32),
            score=np.ones(n, np.float32),
            track=np.array([track for _, track in shown], np.int32),
            source=np.full(n, DETECTED, np.uint8),
        )
        frames = [Frame(index=i, pts=i, time_s=i / 30, image=FakeImage(i)) for i in rows]
        segment = Segment.of(frames, table, rows[0])
        segment.thumbnails = [scenes[row] for row in rows]
        segment.small_faces = np.array([tracks[t][row] for row, t in shown], np.uint8).reshape(n, 28, 28)
        segment.outputs = {"logits": np.array([[[1000 * t + row]] for row, t in shown], np.float32)}
        yield segment


def tracks_of(*made) -> dict[int, tuple[int, int]]:
    """First and last row of every track that comes out; every frame and face must come out, in order."""
    came = list(segments(*made))
    out = list(split_people(iter(came)))
    assert [s.first_row for s in out] == [s.first_row for s in came]
    faces = Faces.concatenate([s.faces for s in out])
    assert len(faces) == sum(len(s.faces) for s in came)
    keys = list(zip(faces.row.tolist(), faces.track.tolist(), strict=True))
    assert keys == sorted(set(keys))
    assert list(dict.fromkeys(faces.track.tolist())) == sorted(set(faces.track.tolist()))
    for segment in out:
        x = segment.faces.boxes[:, 0]
        np.testing.assert_array_equal(segment.outputs["logits"].ravel(), 10 * x + segment.faces.row)
    rows = {t: faces.row[faces.track == t] for t in sorted(set(faces.track.tolist()))}
    return {t: (int(r.min()), int(r.max())) for t, r in rows.items()}


@pytest.mark.parametrize("dip", [False, True])
@pytest.mark.parametrize("between", [0, 1, 2, 5, 13, 30])
@pytest.mark.parametrize("at", [33, 37])
def test_a_track_ends_where_another_person_follows(at, between, dip):
    length = at + between + 40
    both = [changing(make, length, at, between, dip=dip) for make in (scene, face)]
    found = tracks_of(*both)
    assert list(found) == [0, 1]
    assert at <= found[1][0] <= at + between + 1
    assert found[0] == (0, found[1][0] - 1)


def test_a_face_that_changes_in_a_still_picture_is_found():
    still = [scene(0).astype(np.uint8)] * 90
    faces = [face(int(i >= 40)).astype(np.uint8) for i in range(90)]
    assert tracks_of(still, faces) == {0: (0, 39), 1: (40, 89)}


def test_one_person_in_two_scenes_is_one_track():
    one = [noisy(face(0), i) for i in range(90)]
    assert tracks_of(changing(scene, 90, 40, 8), one) == {0: (0, 89)}


def test_a_head_that_turns_and_comes_back_is_one_track():
    wide = texture(0, 28, 60)[..., 0]
    turned = [noisy(wide[:, (x := int(16 * (1 - np.cos(i / 14)))) : x + 28], i) for i in range(120)]
    assert tracks_of([noisy(scene(0), i) for i in range(120)], turned) == {0: (0, 119)}


def test_a_changed_exposure_is_one_track():
    gains = np.interp(np.arange(90), [30, 42], [1.0, 0.4])
    dark = [[noisy(p * g, i) for i, g in enumerate(gains)] for p in (scene(0), face(0))]
    assert tracks_of(*dark) == {0: (0, 89)}


def test_ids_still_count_by_first_appearance():
    length = 110
    scenes, left = (changing(make, length, 40, 4) for make in (scene, face))
    right = changing(lambda i: face(5 + i), length, 40, 4)
    late = [noisy(face(9), i) for i in range(length)]
    appears = lambda track, row: track == 2 and row < 70  # noqa: E731
    came = list(segments(scenes, left, right, late, missing=appears))
    out = Faces.concatenate([s.faces for s in split_people(iter(came))])
    first = {t: int(out.row[out.track == t].min()) for t in sorted(set(out.track.tolist()))}
    assert list(first) == [0, 1, 2, 3, 4]
    assert first[0] == first[1] == 0
    assert 40 <= first[2] <= first[3] <= 45
    assert first[4] == 70


def test_look_ahead_is_bounded():
    n = 600
    came = segments([noisy(scene(0), i) for i in range(n)], [noisy(face(0), i) for i in range(n)])
    taken = 0

    def counted():
        nonlocal taken
        for segment in came:
            taken = segment.first_row
            yield segment

    behind = [taken - segment.first_row for segment in split_people(counted())]
    assert max(behind) <= 72
