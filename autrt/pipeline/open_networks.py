"""Opening what a run computes with: the ensemble's engines and the face detectors, once for all videos."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from autrt.download.fetch import FILES, fetch
from autrt.engine.batcher import CropBatcher
from autrt.engine.graph import Graph
from autrt.engine.memory import memory_on
from autrt.engine.open import ON_GPU_ALONE, open_engine, resolve_engine
from autrt.errors import UsageError
from autrt.face.coarse_to_fine import CLEAR, TRACE_SCORE, CoarseToFine
from autrt.face.detect import FRAME_CANVASES, PATCH_CANVASES, CenterFace, DetectorSettings, detector_digest
from autrt.face.detection_schedule import THOROUGH_S
from autrt.model.folder import Model, used_members
from autrt.pipeline.networks import Networks
from autrt.settings import InferSettings
from autrt.template import TEMPLATES
from autrt.types import Engine

AU_BATCH = 16
"""Crops in one batch of the AU engines."""

DETECTOR_FILE = "centerface"
DETECTOR_ENGINES = ("openvino", "onnxruntime", "tensorrt", "tensorrt-rtx")
"""Those that run a bare ONNX file."""
FRAME_DETECTORS = {
    "small": (
        DetectorSettings(FRAME_CANVASES["coarse"], TRACE_SCORE),
        DetectorSettings(FRAME_CANVASES["small"]),
    ),
    "large": (
        DetectorSettings(FRAME_CANVASES["small"], TRACE_SCORE),
        DetectorSettings(FRAME_CANVASES["large"]),
    ),
}
"""The quick and the fine look at whole frames, by the fine one's set of canvases."""
FIRST_CANVAS = FRAME_CANVASES["coarse"][0]
"""Nearly every run begins with a wide picture on it: its engine is opened beside the members', the others' when
they are needed."""
PATCH_DETECTOR = DetectorSettings(PATCH_CANVASES)


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
    looks = {
        name: (_detector(coarse, settings, threads), _detector(fine, settings, threads))
        for name, (coarse, fine) in FRAME_DETECTORS.items()
    }
    # One by one on a GPU: who builds engines there times their kernels.
    with ThreadPoolExecutor(2 if settings.device == "cpu" else 1) as openers:
        first_look = openers.submit(looks["small"][0].open, FIRST_CANVAS)
        engines = openers.submit(open_members, model, settings, threads).result()
        first_look.result()
    return Networks(
        {name: CoarseToFine(coarse, fine) for name, (coarse, fine) in looks.items()},
        looks["small"][0],
        _detector(PATCH_DETECTOR, settings, threads),
        CropBatcher(engines, len(model.au_names), memory_on(settings.device)),
        TEMPLATES[model.template],
        settings.device,
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
    return detector_digest(FILES[DETECTOR_FILE].sha256, FRAME_DETECTORS, CLEAR, THOROUGH_S, PATCH_DETECTOR)


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
    """A detector always computes in f32: its thresholds decide what exists, its time is small.

    Beside engines that run model folders alone (torch, torch-tensorrt) it stays on the CPU: it sees few and small
    pictures.
    """
    digest = FILES[DETECTOR_FILE].sha256
    engine = settings.engine if settings.engine in DETECTOR_ENGINES else resolve_engine("auto", "cpu")[0]
    device = settings.device if engine in ON_GPU_ALONE else "cpu"

    def open_canvas(canvas: tuple[int, int]) -> Engine:
        graph = Graph(fetch(DETECTOR_FILE, offline=True), digest, input_layout="NCHW-f32", size=canvas)
        return open_engine(graph, engine=engine, precision="f32", batch=1, device=device, threads=threads)

    return CenterFace(open_canvas, digest, detector)
