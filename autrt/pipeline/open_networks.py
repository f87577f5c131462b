"""Opening of the networks of a run: the model's engines and the face detectors, once for all videos."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain

from autrt.download.fetch import FILES, fetch
from autrt.engine.batcher import ALIGNMENT_OUTPUTS, CropBatcher
from autrt.engine.few_rows import FewRowsEngine
from autrt.engine.gpu import wait_without_spinning
from autrt.engine.graph import Graph
from autrt.engine.memory import memory_on
from autrt.engine.open import ON_GPU_ALONE, open_engine, resolve_engine
from autrt.errors import UsageError
from autrt.face.coarse_to_fine import CLEAR, TRACE_SCORE, CoarseToFine
from autrt.face.detect import FRAME_CANVASES, PATCH_CANVASES, CenterFace, DetectorSettings, detector_digest
from autrt.face.detection_schedule import THOROUGH_S
from autrt.model.folder import Model, used_members
from autrt.pipeline.look_ahead import DETECTED_TOGETHER
from autrt.pipeline.networks import AbsentDetector, Networks
from autrt.postprocess.temporal import TickNetwork
from autrt.results.outputs import features_column, output_columns
from autrt.settings import InferSettings
from autrt.template import TEMPLATES
from autrt.types import Engine

AU_BATCH = 16
"""Crops in one batch of the AU engines."""

LIGHT_BYTES = 32 << 20
"""Networks up to this size compute so fast that Python's lock limits many cores, and every process can hold them,
more than once. Larger ones keep all cores busy from one process."""

DETECTOR_FILE = "centerface"
NO_DETECTOR = AbsentDetector.digest
"""Digest of the detectors of a run over aligned crops."""
DETECTOR_ENGINES = ("openvino", "onnxruntime", "tensorrt", "tensorrt-rtx")
"""Engines that run a bare ONNX file."""
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
"""Coarse and fine detector for whole frames, by the fine one's set of canvases."""
FIRST_CANVAS = FRAME_CANVASES["coarse"][0]
"""Canvas of a wide picture, with which nearly every run begins: its engine is opened beside the members' engines,
those of the other canvases when they are needed; on a GPU all are opened first."""
PATCH_DETECTOR = DetectorSettings(PATCH_CANVASES)
"""Detector that finds misaligned faces in their patches again."""


def open_networks(model: Model, settings: InferSettings, threads: int, batch: int = AU_BATCH) -> Networks:
    """Compile or load every network of a run.

    Args:
        model: members that no AU uses are not opened.
        settings: engine, precision and device.
        threads: cores that the engines share.
        batch: crops in one batch of the AU engines; changes no result.

    Raises:
        EngineError: an engine cannot run here.
        UsageError: the detector was never fetched, the model follows a template that is not known here, or one of
            its outputs does not fit its column.
    """
    if model.template not in TEMPLATES:
        raise UsageError(
            f"model {model.name!r}: expected one of the alignment templates {', '.join(TEMPLATES)}, "
            f"found {model.template!r}"
        )
    if settings.aligned is not None:
        return _networks_for_crops(model, settings, threads, batch)
    frame_detectors = {
        name: (_detector(coarse, settings, threads), _detector(fine, settings, threads))
        for name, (coarse, fine) in FRAME_DETECTORS.items()
    }
    patch_detector = _detector(PATCH_DETECTOR, settings, threads)
    if settings.device == "cpu":
        with ThreadPoolExecutor(2) as openers:
            first_canvas = openers.submit(frame_detectors["small"][0].open, FIRST_CANVAS)
            engines = openers.submit(open_members, model, settings, threads, batch).result()
            first_canvas.result()
    else:
        engines = _open_on_gpu(
            [*chain(*frame_detectors.values()), patch_detector], model, settings, threads, batch
        )
    return Networks(
        detectors={name: CoarseToFine(coarse, fine) for name, (coarse, fine) in frame_detectors.items()},
        fast_detector=frame_detectors["small"][0],
        patch_detector=patch_detector,
        batcher=_batcher(engines, model, settings),
        template=TEMPLATES[model.template],
        device=settings.device,
        temporal=_temporal(model),
    )


def _open_on_gpu(
    detectors: Iterable[CenterFace], model: Model, settings: InferSettings, threads: int, batch: int
) -> list[Engine | None]:
    """Open the members' engines, and those of all canvases: while videos are decoded none is built or recorded."""
    wait_without_spinning(settings.device)
    engines = open_members(model, settings, threads, batch)
    if _detector_device(settings) != "cpu":
        for detector in detectors:
            detector.open_all()
    return engines


def _networks_for_crops(model: Model, settings: InferSettings, threads: int, batch: int) -> Networks:
    absent = AbsentDetector()
    return Networks(
        detectors={},
        fast_detector=absent,
        patch_detector=absent,
        batcher=_batcher(open_members(model, settings, threads, batch), model, settings),
        template=TEMPLATES[model.template],
        device=settings.device,
        temporal=_temporal(model),
    )


def _temporal(model: Model) -> TickNetwork | None:
    """Open the model's temporal network, if it has one.

    Raises:
        UsageError: its file is damaged, or no network has the features that it sees.
        EngineError: it cannot run here.
    """
    if model.temporal is None:
        return None
    if wanted := model.temporal.n_features:
        (found,) = features_column(model).tensor.shape
        if found != wanted:
            raise UsageError(
                f"model {model.name!r}: its temporal network expects {wanted} features of a face, its network has "
                f"{found}"
            )
    from autrt.engine.temporal import TemporalEngine  # loads ONNX Runtime, which OpenVINO does without

    return TemporalEngine(model.temporal)


def _batcher(engines: list[Engine | None], model: Model, settings: InferSettings) -> CropBatcher:
    features = settings.features or (model.temporal is not None and model.temporal.n_features > 0)
    columns = output_columns(model, features=features)
    outputs = (*ALIGNMENT_OUTPUTS, *(column.tensor for column in columns))
    return CropBatcher(engines, len(model.au_names), memory_on(settings.device), outputs)


def open_members(
    model: Model, settings: InferSettings, threads: int, batch: int = AU_BATCH
) -> list[Engine | None]:
    """Open the engines of a model's members, in order; None stands for a member that no AU uses.

    Raises:
        EngineError: an engine cannot run here.
    """
    few_rows = batch > 1 and settings.device == "cpu" and settings.precision == "f32" and is_light(model)
    opener = _open_for_few_rows_too if few_rows else _open_member
    return [
        opener(Graph.of(member), settings, threads, batch) if used else None
        for member, used in zip(model.members, used_members(model.weights), strict=True)
    ]


def detection_digest() -> str:
    """Return the digest of all detectors of a run; it is known without opening them."""
    return detector_digest(FILES[DETECTOR_FILE].sha256, FRAME_DETECTORS, CLEAR, THOROUGH_S, PATCH_DETECTOR)


def is_light(model: Model) -> bool:
    """Return whether a model's networks are small enough to be held several times."""
    return sum(facts.size_bytes for member in model.members for facts in member.files.values()) <= LIGHT_BYTES


def _open_for_few_rows_too(graph: Graph, settings: InferSettings, threads: int, batch: int) -> Engine:
    """Open a member whose small batches, such as those of single pictures, are not padded.

    Only in f32, in which a row's numbers are the same whatever the batch.
    """
    return FewRowsEngine(
        _open_member(graph, settings, threads, batch), partial(_open_member, graph, settings, threads, 1)
    )


def _open_member(graph: Graph, settings: InferSettings, threads: int, batch: int) -> Engine:
    return open_engine(
        graph,
        engine=settings.engine,
        precision=settings.precision,
        batch=batch,
        device=settings.device,
        threads=threads,
    )


def _detector(detector: DetectorSettings, settings: InferSettings, threads: int) -> CenterFace:
    """Return a detector; its engines are opened when they are needed.

    It always computes in f32: its thresholds decide which faces exist, and it takes little time. Beside engines
    that run model folders alone (torch, torch-tensorrt) it stays on the CPU: its pictures are few and small.
    """
    digest = FILES[DETECTOR_FILE].sha256
    engine, device = _detector_engine(settings), _detector_device(settings)

    def open_canvas(canvas: tuple[int, int]) -> Engine:
        graph = Graph(
            path=fetch(DETECTOR_FILE, offline=True),
            network_digest=digest,
            input_layout="NCHW-f32",
            size=canvas,
        )
        if device == "cpu":
            return open_engine(graph, engine=engine, precision="f32", batch=1, device=device, threads=threads)
        from autrt.gpu.strongest_cells import strongest_cells  # loads torch

        return open_engine(
            graph,
            engine=engine,
            precision="f32",
            batch=DETECTED_TOGETHER,
            device=device,
            threads=threads,
            reduce=strongest_cells,
        )

    return CenterFace(open_canvas, digest, detector)


def _detector_engine(settings: InferSettings) -> str:
    return settings.engine if settings.engine in DETECTOR_ENGINES else resolve_engine("auto", "cpu")[0]


def _detector_device(settings: InferSettings) -> str:
    return settings.device if _detector_engine(settings) in ON_GPU_ALONE else "cpu"


def open_patch_detector(settings: InferSettings, threads: int) -> CenterFace:
    """Return the detector that finds faces again in their patches; its engines are opened when they are needed."""
    return _detector(PATCH_DETECTOR, settings, threads)
