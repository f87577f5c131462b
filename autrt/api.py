"""The Python API: archives by `infer` and `plan`, one video by `recognise`, pictures and streams by `Recogniser`.

All of it is also in `autrt` itself. Errors are exceptions of `autrt.errors`.
"""

from __future__ import annotations

import inspect
import signal
from collections.abc import Callable, Iterable
from contextlib import closing
from fractions import Fraction
from os import PathLike
from typing import Any, Final

from autrt.console import Reporter, SilentReporter
from autrt.console.callback import CallbackReporter
from autrt.console.progress import RunProgress
from autrt.errors import UsageError
from autrt.recogniser.faces import RecognisedFace, RecognisedFaces, RecognisedFrame
from autrt.recogniser.recogniser import Recogniser
from autrt.recogniser.video import recognise
from autrt.results.dataset import open_dataset
from autrt.results.reader import Results, open_results
from autrt.run.command_text import call_text
from autrt.run.job import Outcome
from autrt.run.option_checks import checked_function, checked_option, found_text, named_option
from autrt.run.options import InferOptions, parse_baseline, parse_rate, parse_size, parse_split
from autrt.run.plan import InferPlan, PlannedVideo
from autrt.run.shard import Shard
from autrt.run.summary import RunSummary
from autrt.settings import MAX_PIXELS, Quality, StillFiles
from autrt.storage.local_path import checked_path_text
from autrt.storage.remote_url import location

__all__ = [
    "InferPlan",
    "Outcome",
    "PlannedVideo",
    "RecognisedFace",
    "RecognisedFaces",
    "RecognisedFrame",
    "Recogniser",
    "Results",
    "RunProgress",
    "RunSummary",
    "infer",
    "open_dataset",
    "open_results",
    "plan",
    "recognise",
]

PathText = str | PathLike[str]
"""A path as text or `pathlib.Path`."""


def infer(
    inputs: PathText | Iterable[PathText],
    out: PathText,
    *,
    model: PathText | None = None,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    quality: Quality = "balanced",
    detect_every: int | None = None,
    max_faces: int | None = None,
    image_rate: str | float | Fraction = 30,
    max_pixels: int = MAX_PIXELS,
    shard: str | None = None,
    keep_members: bool = False,
    features: bool = False,
    baseline: str = "none",
    quality_weighted: bool = False,
    aligned: bool = False,
    template: str | None = None,
    stills: StillFiles = "each",
    workers: int | None = None,
    ray: str | None = None,
    split: str | float | None = None,
    overwrite: bool = False,
    trust_fingerprint: bool = False,
    offline: bool = False,
    cache_size: str | int | None = None,
    on_progress: Callable[[RunProgress], object] | None = None,
    reporter: Reporter | None = None,
) -> RunSummary:
    """Recognise Action Units in videos and write one HDF5 file per video, as `autrt infer` does, without printing.

    Each video gets the file `out/<path relative to its input folder>.h5`; open it with `autrt.open_results`.
    Files, numbers and digests are those of the command. A run can be stopped and started again at any time:
    finished videos are not done twice. Runs at the same time on one folder must share no video: give each a
    `shard` of its own.

    A video that cannot be read does not stop the run: see `RunSummary.failed`. Many videos are shared among
    processes, one a core. In the main thread the first Ctrl-C or SIGTERM stops the run cleanly, and is then passed
    on (Ctrl-C raises KeyboardInterrupt); a second one ends the process at once.

    Args:
        inputs: files, folders (with their subfolders) and patterns; one, or several. Also in object storage
            (`s3://`, `gs://`, `az://`) or on a web server (`https://`): see docs/cloud.md.
        out: folder for the results; also in object storage.
        model: a packaged model's name, or a model folder; by default `student`, for quality max `student-mirror`.
        engine: auto, openvino, onnxruntime, torch, tensorrt, tensorrt-rtx or torch-tensorrt.
        device: auto, cpu, cuda:N, or cuda for every GPU.
        precision: auto, f32, bf16, fp16 or int8. auto is f32, and for quality fast bf16 where OpenVINO has it.
        quality: max averages each face and its mirror image, and detects faces every 4 frames or closer; balanced
            detects them every 0.2 s; fast every 0.4 s.
        detect_every: detect faces on every K-th frame.
        max_faces: keep at most this many faces of each frame, those of the largest tracks.
        image_rate: pictures a second of folders of numbered pictures, and of TIFF files of several pages.
        max_pixels: larger pictures are refused before they are decoded: a few kilobytes can hold one that takes
            gigabytes of memory.
        shard: `I/N`: do the I-th of N shares of the videos.
        keep_members: also store the logits of each member of an ensemble.
        features: also store each face's features, of the first network that has any, as float16.
        baseline: `pN`: subtract each person's neutral face, the N-th percentile of the logits of a track of at
            least 5 s; none: subtract nothing.
        quality_weighted: weigh frames by the face's quality where they are smoothed.
        aligned: every picture is an aligned crop already, as `autrt crop` and data sets have them: none is searched
            for faces or moved, and a folder is one track.
        template: alignment that the crops follow; it must be the model's, which is the default.
        stills: what has a results file of its own: each picture, or (folder) all pictures of one folder, whose
            numbers stay the same; the file has the folder's name, and it is faster.
        workers: videos in flight at once; 1: in this process. By default as suits the cores. With `ray`: on each
            node.
        ray: `HOST:PORT` of a Ray cluster that does the videos, or auto for the one that this machine belongs to;
            all nodes must see the same files (docs/scale.md).
        split: length of the sections, "15m" or seconds, in which several workers do a long video side by side; the
            results are the same. By default a video is done as a whole.
        overwrite: do finished videos again, with these settings.
        trust_fingerprint: where a finished video's time of change is another, compare its first and last MiB alone,
            not all of its bytes.
        offline: never use the network; fail if the face detector is not there.
        cache_size: most bytes of videos that are copied from object storage ahead of their turn, such as "500MB";
            by default 20 GB, or half of what is free.
        on_progress: called with a `RunProgress` of the run a few times a second, from the run's threads.
        reporter: receives every event instead; see `autrt.console.Reporter`.

    Returns:
        The summary of the run.

    Raises:
        UsageError: an option, an input, the model or the output folder is wrong, finished videos of other settings
            would be computed again, or another run works in the folder with other settings or on one of these
            videos. Nothing was touched.
        MissingDependencyError, EngineError: the engine is not installed, or cannot run here.
        DiskFullError, ResultsError: results cannot be written; finished files stay valid.
        StorageError: object storage refuses, or does not answer.
    """
    if reporter is not None and on_progress is not None:
        raise TypeError("infer: expected on_progress or reporter, found both")
    checked_function("on_progress", on_progress)
    prepared = plan(
        inputs,
        out,
        model=model,
        engine=engine,
        device=device,
        precision=precision,
        quality=quality,
        detect_every=detect_every,
        max_faces=max_faces,
        image_rate=image_rate,
        max_pixels=max_pixels,
        shard=shard,
        keep_members=keep_members,
        features=features,
        baseline=baseline,
        quality_weighted=quality_weighted,
        aligned=aligned,
        template=template,
        stills=stills,
        workers=workers,
        ray=ray,
        split=split,
        overwrite=overwrite,
        trust_fingerprint=trust_fingerprint,
        offline=offline,
        cache_size=cache_size,
    )
    own: Reporter = SilentReporter() if on_progress is None else CallbackReporter(on_progress)
    with closing(own):
        summary = prepared.run(reporter or own)
    if summary.signal is not None:
        signal.raise_signal(summary.signal)
    if summary.error is not None:
        raise summary.error
    return summary


def plan(inputs: PathText | Iterable[PathText], out: PathText, **options: Any) -> InferPlan:
    """Find out what `infer` would do, as `autrt infer --dry-run` does; nothing is touched.

    Args:
        inputs: files, folders and patterns; one, or several.
        out: folder for the results.
        options: as for `infer`, without `on_progress` and `reporter`.

    Returns:
        The plan: the videos to do and those done before, notes, and why `infer` would refuse.

    Raises:
        TypeError: there is no such option.
        UsageError: an option, an input or the model is wrong.
    """
    named = _several(inputs)
    if not named:
        raise UsageError("no input: expected files, folders or patterns of videos")
    unknown = options.keys() - _DEFAULTS.keys()
    if unknown:
        raise TypeError(
            f"expected some of the options {', '.join(_DEFAULTS)}, found {', '.join(sorted(unknown))}"
        )
    paths = tuple(location(checked_path_text("inputs", path)) for path in named)
    folder = location(checked_path_text("out", out))
    plain = {name: checked_option(name, value) for name, value in options.items()}
    resolved = _resolved(plain)
    changed = {name: value for name, value in plain.items() if value != _DEFAULTS[name]}
    command = call_text(paths, folder, changed)
    return InferPlan(InferOptions(inputs=paths, out=folder, command=command, **resolved))


def _several(inputs: Any) -> tuple[Any, ...]:
    if isinstance(inputs, str | bytes | PathLike):
        return (inputs,)
    try:
        return tuple(inputs)
    except TypeError as error:
        raise UsageError(f"inputs: expected a path or several, found {found_text(inputs)}") from error


def _resolved(options: dict[str, Any]) -> dict[str, Any]:
    """Return checked options as `InferOptions` takes them."""
    resolved = dict(options)
    if "image_rate" in options:
        resolved["image_rate"] = named_option("image_rate", parse_rate, options["image_rate"])
    if options.get("shard") is not None:
        resolved["shard"] = Shard.parse(options["shard"])
    if options.get("cache_size") is not None:
        resolved["cache_size"] = named_option("cache_size", parse_size, options["cache_size"])
    if "split" in options:
        resolved["split_s"] = named_option("split", parse_split, resolved.pop("split"))
    if "baseline" in options:
        resolved["baseline_percentile"] = named_option("baseline", parse_baseline, resolved.pop("baseline"))
    return resolved


_DEFAULTS: Final = {
    name: parameter.default
    for name, parameter in inspect.signature(infer).parameters.items()
    if name not in ("inputs", "out", "on_progress", "reporter")
}
"""Options of `infer` and their defaults."""
