"""`autrt.recognise`: the frames of a video with their faces, without a results file."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from fractions import Fraction
from os import PathLike
from pathlib import Path

from autrt.download.fetch import fetch
from autrt.errors import UsageError, VideoError
from autrt.pipeline.open_networks import DETECTOR_FILE, open_networks
from autrt.pipeline.recognise import recognised_blocks
from autrt.recogniser.delayed_smoothing import smoothed_frames
from autrt.recogniser.faces import RecognisedFrame
from autrt.run.option_checks import checked_function, checked_option, named_option
from autrt.run.options import InferOptions, parse_rate, resolve
from autrt.settings import MAX_PIXELS, Quality
from autrt.storage.escape import escape
from autrt.storage.local_path import as_local_path, checked_path_text
from autrt.types import Decoder, Source
from autrt.video.discover import discover
from autrt.video.open import open_decoder


def recognise(
    video: str | PathLike[str],
    *,
    model: str | PathLike[str] | None = None,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    quality: Quality = "balanced",
    detect_every: int | None = None,
    image_rate: str | float | Fraction = 30,
    max_pixels: int = MAX_PIXELS,
    offline: bool = False,
    on_message: Callable[[str], object] | None = None,
) -> Generator[RecognisedFrame, None, None]:
    """Yield the frames of a video with their faces and Action Units, without writing a file.

    The numbers are those that `autrt.infer` writes, with two exceptions. Smoothing windows are measured with the
    median interval of the frames so far, of the first 1,000 at most, and a file's with that of all: `smoothed` can
    differ where the frame rate varies. And what needs the whole video before its first frame is not offered:
    baselines and `max_faces`.

    Decoding and networks run in threads ahead of the loop, by the smoothing window (half a second of video), 60 to
    110 frames in which a change of person may show, and some batches of work. They end, and the video is closed,
    when the loop ends or the generator is closed::

        with contextlib.closing(autrt.recognise("interview.mp4")) as frames:
            for frame in frames:
                ...

    Args:
        video: a video or picture file, or a folder of numbered pictures.
        model: a packaged model's name, or a model folder; see `autrt.infer`, for the following options too.
        engine: auto, or the name of an engine.
        device: auto, cpu or cuda:N.
        precision: auto, f32, bf16, fp16 or int8.
        quality: max, balanced or fast.
        detect_every: detect faces on every K-th frame.
        image_rate: pictures a second of a folder of numbered pictures, or of a TIFF of several pages.
        max_pixels: larger pictures are refused before they are decoded.
        offline: never use the network; the face detector must have been fetched.
        on_message: takes a line when something is fetched.

    Yields:
        Every frame that can be decoded, in order of presentation. Nothing is opened before the first one is asked
        for.

    Raises:
        UsageError: an option is wrong, or the path names no video, or several.
        VideoError: nothing of the video can be read.
        MissingDependencyError, EngineError: the engine is not installed, or cannot run here.
    """
    source = _one_source(as_local_path(checked_path_text("video", video)))
    options = InferOptions(
        inputs=(source.path,),
        out=Path(),
        command="autrt.recognise",
        model=checked_option("model", model),
        engine=engine,
        device=device,
        precision=precision,
        quality=quality,
        detect_every=detect_every,
        image_rate=named_option("image_rate", parse_rate, image_rate),
        max_pixels=checked_option("max_pixels", max_pixels),
        offline=offline,
    )
    checked_function("on_message", on_message)
    job, _ = resolve(options)
    fetch(DETECTOR_FILE, offline=offline, report=on_message or (lambda _: None))
    with (
        closing(open_networks(job.model, job.settings, job.threads)) as networks,
        closing(_opened(source, options, networks.device)) as decoder,
        closing(recognised_blocks(decoder, networks, job.settings)) as blocks,
    ):
        yield from smoothed_frames(blocks, job.model, networks.temporal)


def _opened(source: Source, options: InferOptions, device: str) -> Decoder:
    try:
        return open_decoder(
            source, image_rate=options.image_rate, device=device, max_pixels=options.max_pixels
        )
    except VideoError as error:
        raise VideoError(f"{escape(str(source.path))}: {error}") from error


def _one_source(path: Path) -> Source:
    sources = discover([path])
    if len(sources) != 1:
        raise UsageError(
            f"{path}: expected one video, found {len(sources)}; `autrt.infer` takes whole folders"
        )
    return sources[0]
