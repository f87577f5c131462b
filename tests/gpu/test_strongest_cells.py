"""The strongest cells of CenterFace's maps give the detections of whole maps."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from autrt.face.detect import (  # noqa: E402
    CELLS,
    FRAME_CANVASES,
    OUTPUTS,
    CenterFace,
    DetectorSettings,
    Letterbox,
    read_maps,
)
from autrt.gpu.strongest_cells import strongest_cells  # noqa: E402
from autrt.types import EngineSpec, TensorSpec  # noqa: E402
from autrt.video.planar_image import PlanarImage, Plane  # noqa: E402

SETTINGS = DetectorSettings()
CHANNELS = dict(zip(OUTPUTS, (1, 2, 2, 10), strict=True))


def random_maps(seed, n, canvas, likely):
    """Maps of n pictures of which some cells, by their number, reach the threshold; many scores are equal."""
    rng = np.random.default_rng(seed)
    rows, columns = canvas[0] // 4, canvas[1] // 4
    maps = {k: rng.normal(0, 1, (n, c, rows, columns)).astype(np.float32) for k, c in CHANNELS.items()}
    heat = rng.uniform(0, 0.29, (n, rows * columns))
    for one in heat:
        one[rng.choice(one.size, likely, replace=False)] = rng.choice([0.3, 0.5, 0.7, 0.9], likely)
    maps[OUTPUTS[0]] = heat.astype(np.float32).reshape(n, 1, rows, columns)
    return maps


def strongest(maps, *most):
    found = strongest_cells({name: torch.from_numpy(value) for name, value in maps.items()}, *most)
    return {name: value.numpy() for name, value in found.items()}


def assert_same(a, b):
    np.testing.assert_array_equal(a.boxes, b.boxes)
    np.testing.assert_array_equal(a.landmarks, b.landmarks)
    np.testing.assert_array_equal(a.score, b.score)


@given(
    st.integers(0, 1 << 32),
    st.integers(1, 3),
    st.sampled_from([canvas for canvases in FRAME_CANVASES.values() for canvas in canvases[:2]]),
    st.integers(0, 60),
)
def test_detections_are_those_of_whole_maps(seed, n, canvas, likely):
    maps = random_maps(seed, n, canvas, likely)
    box = Letterbox.fit(canvas[1] * 2, canvas[0] * 2, [canvas])
    cells = strongest(maps)[CELLS]
    assert cells.shape[2] == 17
    assert (np.diff(cells[..., 15] * (canvas[1] // 4) + cells[..., 16]) > 0).all()
    for i in range(n):
        whole = read_maps({name: value[i : i + 1] for name, value in maps.items()}, box, SETTINGS)
        assert len(whole) > 0 or likely == 0
        assert_same(read_maps({CELLS: cells[i : i + 1]}, box, SETTINGS), whole)


def test_weakest_cells_of_a_crowd_are_lost():
    maps = random_maps(0, 2, (96, 160), 60)
    heat = maps[OUTPUTS[0]].reshape(2, -1)
    cells = strongest(maps, 20)[CELLS]
    assert cells.shape == (2, 20, 17)
    np.testing.assert_array_equal(np.sort(cells[:, :, 0]), np.sort(heat)[:, -20:])


class Engine:
    """Gives the maps of its pictures, or their strongest cells."""

    spec = EngineSpec(
        engine="fake",
        network_digest="",
        inputs=(TensorSpec("pixels", (192, 320, 3), "uint8"),),
        outputs=(),
        precision="f32",
        batch=2,
        device="cpu",
    )

    def __init__(self, finish):
        self._finish, self._batches = finish, 0

    def submit(self, inputs):
        self._batches += 1
        done = Future()
        maps = random_maps(self._batches, len(inputs["pixels"]), (192, 320), 20)
        done.set_result(self._finish(maps))
        return done


def test_detector_reads_either_from_its_engine():
    pictures = [(PlanarImage((Plane(np.zeros((192, 320, 3), np.uint8)),), None), 1) for _ in range(3)]
    whole, picked = (
        CenterFace(lambda _, f=finish: Engine(f), "n").submit_all(pictures)
        for finish in (lambda maps: maps, strongest)
    )
    for a, b in zip(whole, picked, strict=True):
        assert len(a.result()) > 0
        assert_same(a.result(), b.result())
