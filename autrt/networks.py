"""Opening what a run computes with: the ensemble's engines and the face detectors, once for all videos."""

from __future__ import annotations

from autrt.config import InferSettings
from autrt.engine.batcher import CropBatcher
from autrt.engine.graph import Graph
from autrt.engine.open import open_engine
from autrt.ensemble import used_members
from autrt.errors import UsageError
from autrt.face.detect import FRAME_CANVASES, PATCH_CANVASES, CenterFace, DetectorSettings, detector_digest
from autrt.model.folder import Model
from autrt.stages import Networks
from autrt.template import TEMPLATES
from autrt.types import Engine
from autrt.weights import FILES, fetch

AU_BATCH = 16
"""Crops in one batch of the AU engines."""

DETECTOR_FILE = "centerface"
DETECTORS = {
    "small": DetectorSettings(FRAME_CANVASES["small"]),
    "large": DetectorSettings(FRAME_CANVASES["large"]),
    "patch": DetectorSettings(PATCH_CANVASES),
}


def open_networks(model: Model, settings: InferSettings, threads: int) -> Networks:
    """Compile or load every network of a run.

    Args:
        model: its members that no AU uses are not opened.
        settings: engine, precision and device.
        threads: cores that each engine may use; they share them.

    Raises:
        EngineError: an engine cannot run here.
        UsageError: the detector was never fetched, or the model follows a template that is not known here.
    """
    if model.template not in TEMPLATES:
        raise UsageError(
            f"model {model.name!r}: expected one of the alignment templates {', '.join(TEMPLATES)}, "
            f"found {model.template!r}"
        )
    engines = open_members(model, settings, threads)
    detectors = {name: _detector(DETECTORS[name], settings, threads) for name in DETECTORS}
    second_look = detectors.pop("patch")
    return Networks(
        detectors, second_look, CropBatcher(engines, len(model.au_names)), TEMPLATES[model.template]
    )


def open_members(model: Model, settings: InferSettings, threads: int) -> list[Engine | None]:
    """The engines of a model's members, in order; None for a member that no AU uses.

    Raises:
        EngineError: an engine cannot run here.
    """
    return [
        _open_member(Graph.of(member), settings, threads) if used else None
        for member, used in zip(model.members, used_members(model.weights), strict=True)
    ]


def detection_digest() -> str:
    """Names the numbers of all detectors of a run; known without opening them."""
    return detector_digest(FILES[DETECTOR_FILE].sha256, *DETECTORS.values())


def _open_member(graph: Graph, settings: InferSettings, threads: int) -> Engine:
    return open_engine(
        graph,
        engine=settings.engine,
        precision=settings.precision,
        batch=AU_BATCH,
        device=settings.device,
        threads=threads,
    )


def _detector(detector: DetectorSettings, settings: InferSettings, threads: int) -> CenterFace:
    """A detector always computes in f32: its thresholds decide what exists, its time is small."""
    digest = FILES[DETECTOR_FILE].sha256
    engine = settings.engine if settings.engine in ("openvino", "onnxruntime") else "openvino"

    def open_canvas(canvas: tuple[int, int]) -> Engine:
        graph = Graph(fetch(DETECTOR_FILE, offline=True), digest, input_layout="NCHW-f32", size=canvas)
        return open_engine(graph, engine=engine, precision="f32", batch=1, device="cpu", threads=threads)

    return CenterFace(open_canvas, digest, detector)
