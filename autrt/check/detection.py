"""A check that detects a packaged rendered face, where the detector is fetched already."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from autrt.check import NotCheckedError
from autrt.download.fetch import FILES, cached
from autrt.engine.graph import Graph
from autrt.engine.open import open_engine, resolve_engine
from autrt.engine.parity import read_reference
from autrt.errors import EngineError
from autrt.face.detect import FRAME_CANVASES, CenterFace, iou_matrix
from autrt.model.folder import load_model
from autrt.pipeline.open_networks import DETECTOR_FILE
from autrt.types import CROP_SIZE_PX, Engine
from autrt.video.planar_image import PlanarImage, Plane

_CORNER_PX = 104, 40
_CANVAS = FRAME_CANVASES["small"][0]


def check_detection() -> str:
    """Detect the default model's first reference face in an otherwise grey picture and return a line about it.

    Raises:
        NotCheckedError: the detector was not fetched yet.
        AutrtError: it cannot be opened, or finds nothing or something else.
    """
    path = cached(DETECTOR_FILE)
    if path is None:
        raise NotCheckedError(
            f"the face detector is not fetched yet: autrt fetch {DETECTOR_FILE}, or the first run"
        )
    digest = FILES[DETECTOR_FILE].sha256
    name, device = resolve_engine("auto", "cpu")

    def open_canvas(canvas: tuple[int, int]) -> Engine:
        graph = Graph(path=path, network_digest=digest, input_layout="NCHW-f32", size=canvas)
        return open_engine(graph, engine=name, device=device, batch=1)

    with closing(CenterFace(open_canvas, digest)) as detector:
        found = detector.submit(_picture()).result()
    (x, y), side = _CORNER_PX, CROP_SIZE_PX
    expected = np.array([[x, y, x + side, y + side]], np.float32)
    if len(found) != 1 or iou_matrix(found.boxes, expected)[0, 0] < 0.4:
        raise EngineError(f"expected one face at {expected[0].tolist()}, found {found.boxes.tolist()}")
    return f"one rendered face found by {name}, score {found.score[0]:.2f}"


def _picture() -> PlanarImage:
    """Return a grey picture of the detector's own size with the face in it."""
    crops, _ = read_reference(load_model().members[0])
    picture = np.full((*_CANVAS, 3), 128, np.uint8)
    (x, y), side = _CORNER_PX, CROP_SIZE_PX
    picture[y : y + side, x : x + side] = crops[0]
    return PlanarImage((Plane(picture),), None)
