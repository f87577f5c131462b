"""Detection of the faces in labelled videos, and crops of those that have labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from autrt.console import Mode, SilentReporter, make_reporter
from autrt.machine import available_cores
from autrt.model.folder import DEFAULT_MODEL, Model, load_model
from autrt.results.names import results_path
from autrt.results.reader import Results, open_results
from autrt.run.options import InferOptions
from autrt.storage.escape import escape
from autrt.types import Bool, Source
from autrt_train.crop.find_faces import find_faces
from autrt_train.crop.index import CropSettings
from autrt_train.crop.run import CropRun
from autrt_train.finetune.labelled_faces import LabelledFaces, find_labelled_faces
from autrt_train.finetune.video_codings import Codings
from autrt_train.recipe import FinetuneSettings
from autrt_train.stop_request import StopRequest


def crop_labelled_faces(
    sources: Sequence[Source],
    codings: Codings,
    folder: Path,
    settings: FinetuneSettings,
    progress: Mode,
    halt: StopRequest,
    log: Callable[[str], object],
) -> dict[str, LabelledFaces]:
    """Find the faces of the videos and crop those that are labelled, unless an earlier run has done it.

    Args:
        sources: videos and pictures.
        codings: their labels.
        folder: of the crops, and of results in `folder/results`.
        settings: of the finetuning.
        progress: display of progress.
        halt: stop request, set by signals.
        log: receives lines for the user.

    Returns:
        Relative path → labelled faces, for the videos that could be read.

    Raises:
        DataError: labels of a video have neither frame nor time.
        StoppedError: stopped by a signal.
        EngineError, DiskFullError, ResultsError: an error that concerns all videos.
    """
    model = load_model(DEFAULT_MODEL)
    results = folder / "results"
    with closing(make_reporter(progress)) as reporter:
        found = find_faces(sources, _options(sources, results), reporter, halt, log)
    faces: dict[str, LabelledFaces] = {}
    for source in found:
        with open_results(results_path(results, source.relative)) as file:
            coding = codings[source.relative][1]
            faces[source.relative] = find_labelled_faces(source, coding, file, settings.every_s)
    log(
        f"cropping {sum(len(some.row) for some in faces.values())} labelled faces, unless that was done before"
    )

    def choose(source: Source, file: Results) -> Bool:
        return _is_labelled(faces[source.relative], file)

    _crop(
        CropRun(
            results=results,
            out=folder,
            settings=_crop_settings(model),
            reporter=SilentReporter(),
            choose=choose,
        ),
        found,
        halt,
        log,
    )
    return faces


def _options(sources: Sequence[Source], results: Path) -> InferOptions:
    return InferOptions(
        inputs=tuple(source.path for source in sources),
        out=results,
        command="autrt train finetune",
        engine="onnxruntime",
        device="cpu",
        precision="f32",
    )


def _crop_settings(model: Model) -> CropSettings:
    return CropSettings(template=model.template, all_faces=True)


def _crop(run: CropRun, sources: Sequence[Source], halt: StopRequest, log: Callable[[str], object]) -> None:
    run.run(sources, available_cores())
    if run.signal is not None:
        halt.ask(run.signal)
    halt.check()
    for cut in run.cuts:
        if cut.status == "failed":
            log(f"left out: {escape(cut.relative)}: {escape(cut.reason)}")


def _is_labelled(faces: LabelledFaces, file: Results) -> Bool:
    """Return (F,) bool: True for the faces of a results file that are labelled."""
    index = file.frames["index"][file.faces["frame"]]
    labelled = set(zip(faces.index.tolist(), faces.track.tolist(), strict=True))
    pairs = zip(index.tolist(), file.faces["track"].tolist(), strict=True)
    return np.array([pair in labelled for pair in pairs], bool).reshape(-1)
