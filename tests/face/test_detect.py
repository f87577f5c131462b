"""CenterFace's letterbox, maps and suppression, on made-up maps; the real network on real faces elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt.face.detect import FRAME_CANVASES, DetectorSettings, Letterbox, iou_matrix, read_maps, suppress
from autrt.template import ARCFACE_112


@given(st.integers(1, 8000), st.integers(1, 8000), st.sampled_from(["small", "large"]))
def test_a_picture_of_any_shape_fits_its_canvas(width, height, canvases):
    box = Letterbox.fit(width, height, FRAME_CANVASES[canvases])
    assert 1 <= box.width <= box.canvas[1]
    assert 1 <= box.height <= box.canvas[0]
    assert box.canvas in FRAME_CANVASES[canvases]
    corner = box.undo(np.array([[box.width, box.height]], np.float32))
    np.testing.assert_allclose(corner, [[width - 0.5, height - 0.5]], rtol=1e-4)


@pytest.mark.parametrize(
    ("size", "canvas"), [((1920, 1080), (192, 320)), ((1080, 1920), (320, 192)), ((512, 512), (256, 256))]
)
def test_wide_tall_and_square_pictures_go_on_their_canvas(size, canvas):
    assert Letterbox.fit(size[0], size[1], FRAME_CANVASES["small"]).canvas == canvas


def maps_of(faces, canvas):
    """The maps that CenterFace gives for faces (centre x, y, width, height, score) on a canvas."""
    rows, columns = canvas[0] // 4, canvas[1] // 4
    heat = np.zeros((1, 1, rows, columns), np.float32)
    scale, offset = np.zeros((2, 1, 2, rows, columns), np.float32)
    marks = np.zeros((1, 10, rows, columns), np.float32)
    for x, y, w, h, score in faces:
        c, r = int(x / 4 - 0.5), int(y / 4 - 0.5)
        heat[0, 0, r, c] = score
        scale[0, :, r, c] = np.log(h / 4), np.log(w / 4)
        offset[0, :, r, c] = y / 4 - r - 0.5, x / 4 - c - 0.5
        marks[0, :, r, c] = (ARCFACE_112 / 112)[:, ::-1].reshape(10)
    return {"537": heat, "538": scale, "539": offset, "540": marks}


def test_maps_are_read_back_into_picture_pixels():
    box = Letterbox.fit(640, 360, FRAME_CANVASES["small"])
    found = read_maps(
        maps_of([(100, 90, 40, 50, 0.8), (250, 60, 20, 20, 0.95)], box.canvas), box, DetectorSettings()
    )
    np.testing.assert_allclose(found.score, [0.95, 0.8], atol=1 / 256)
    np.testing.assert_allclose(found.boxes[1], np.array([80, 65, 120, 115]) * 2 - 0.5, atol=1 / 32)
    expected = (np.array([80, 65]) + ARCFACE_112 / 112 * [40, 50]) * 2 - 0.5
    np.testing.assert_allclose(found.landmarks[1], expected, atol=1 / 32 + 1e-3)


def test_tiny_differences_between_processors_vanish():
    box = Letterbox.fit(640, 360, FRAME_CANVASES["small"])
    maps = maps_of([(100, 90, 40, 50, 0.8)], box.canvas)
    noise = np.random.default_rng(0)
    nearly = {name: m * (1 + noise.normal(0, 1e-7, m.shape)).astype(np.float32) for name, m in maps.items()}
    a, b = (read_maps(m, box, DetectorSettings()) for m in (maps, nearly))
    np.testing.assert_array_equal(a.boxes, b.boxes)
    np.testing.assert_array_equal(a.landmarks, b.landmarks)
    np.testing.assert_array_equal(a.score, b.score)


def test_detections_that_are_weak_or_doubled_are_dropped():
    box = Letterbox.fit(640, 360, FRAME_CANVASES["small"])
    faces = [(100, 90, 40, 50, 0.8), (104, 90, 40, 50, 0.7), (200, 90, 40, 50, 0.2)]
    assert len(read_maps(maps_of(faces, box.canvas), box, DetectorSettings())) == 1
    assert len(read_maps(maps_of([], box.canvas), box, DetectorSettings())) == 0


boxes = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 30), st.integers(1, 30)), max_size=12
).map(lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float32).reshape(-1, 4))


@given(boxes, st.randoms())
def test_suppression_equals_its_definition(boxes, random):
    score = np.array([random.random() for _ in boxes], np.float32)
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: (-score[i], boxes[i, 0], boxes[i, 1])):
        if all(iou_matrix(boxes[[i]], boxes[[k]])[0, 0] < 0.3 for k in kept):
            kept.append(i)
    assert suppress(boxes, score, 0.3).tolist() == kept


@given(boxes, boxes)
def test_overlap_equals_counting_pixels(a, b):
    def cells(box):
        x0, y0, x1, y1 = box.astype(int)
        return {(x, y) for x in range(x0, x1) for y in range(y0, y1)}

    expected = [[len(cells(p) & cells(q)) / len(cells(p) | cells(q)) for q in b] for p in a]
    np.testing.assert_allclose(iou_matrix(a, b), np.array(expected).reshape(len(a), len(b)), atol=1e-6)
