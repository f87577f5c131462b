"""Making of an overlay: the frames of a video with its results drawn on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Final, cast

import numpy as np
import simplejpeg

from autrt.errors import UsageError
from autrt.overlay.draw import Pen, blur_faces, draw_faces
from autrt.overlay.faces import FacesByFrame
from autrt.overlay.video_writer import CONTAINERS, VideoWriter
from autrt.results.reader import Results
from autrt.storage.atomic_file import replacing
from autrt.storage.atomic_folder import new_folder
from autrt.storage.escape import escape
from autrt.types import FOLDERS, U8, Source, SourceKind
from autrt.video.open import open_decoder

MANY_FACES: Final = 2
"""Above so many faces in a frame, bars are drawn of active AUs alone."""
_EXPERIMENTAL: Final = "experimental"
_JPEG_QUALITY: Final = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayOptions:
    """How an overlay is made."""

    blur: bool = False
    """Make faces unrecognisable."""
    sound: bool = True
    all_aus: bool = False
    """Experimental Action Units too."""
    on_frame: Callable[[int], object] = lambda _: None
    """Called with the number of frames that were drawn so far."""


def write_overlay(video: Path, results: Results, out: Path, options: OverlayOptions) -> int:
    """Write a video with boxes, landmarks, track ids and AU bars; frames keep their times.

    Args:
        video: the video that the results are of.
        results: an open results file.
        out: the file to write, .mp4, .mov or .mkv.
        options: how.

    Returns:
        The number of frames.

    Raises:
        UsageError: `video` is not the one of the results, or `out` is `video`, has another ending, or cannot
            hold its sound.
        VideoError: the video cannot be read.
        DiskFullError, ResultsError: `out` cannot be written, or the results file is damaged.
    """
    if out.suffix.lower() not in CONTAINERS:
        raise UsageError(f"{escape(str(out))}: expected a file that ends in {', '.join(CONTAINERS)}")
    if results.header.source.kind == "stills":
        raise UsageError(
            f"{escape(str(video))}: expected a video, found a folder of stills, each of its own size: make "
            "pictures of them (--frames)"
        )
    if out.exists() and out.samefile(video):
        raise UsageError(f"{escape(str(out))}: expected a new video, found the one that is to be drawn on")
    frames = _drawn(video, results, options)
    first = next(frames, None)
    if first is None:
        raise UsageError(f"{escape(str(video))}: the video has no frames")
    has_sound = options.sound and results.header.source.kind == "video"
    height, width = first[2].shape[:2]
    rate = Fraction(results.header.video.rate_hz).limit_denominator(1001)
    with (
        replacing(out) as part,
        VideoWriter(
            part,
            out.suffix.lower(),
            width=width,
            height=height,
            rate=rate,
            pixel_aspect=Fraction(results.header.video.pixel_aspect).limit_denominator(1000),
            sound=video if has_sound else None,
        ) as writer,
    ):
        n = 0
        for _, time_s, picture in chain([first], frames):
            writer.write(picture, time_s)
            n += 1
            options.on_frame(n)
    return n


def write_overlay_frames(video: Path, results: Results, out: Path, options: OverlayOptions) -> int:
    """Write the same as pictures, `000001.jpg` and so on for the frames from index 0, into a new folder.

    Returns:
        The number of pictures.

    Raises:
        UsageError: `video` is not the one of the results, or `out` exists.
        VideoError: the video cannot be read.
        ResultsError: the results file is damaged.
    """
    n = 0
    with new_folder(out, overwrite=False) as folder:
        for index, _, picture in _drawn(video, results, options):
            data = simplejpeg.encode_jpeg(
                np.ascontiguousarray(picture), quality=_JPEG_QUALITY, colorspace="RGB"
            )
            (folder / f"{index + 1:06}.jpg").write_bytes(data)
            n += 1
            options.on_frame(n)
    return n


def _drawn(video: Path, results: Results, options: OverlayOptions) -> Iterator[tuple[int, float, U8]]:
    """Yield index, time (s) and drawn RGB picture of each frame."""
    _check_source(video, results)
    header = results.header
    aus = [a for a, g in enumerate(results.au_grades) if options.all_aus or g != _EXPERIMENTAL]
    faces = FacesByFrame(results, aus)
    kind = cast("SourceKind", header.source.kind)
    rate = Fraction(str(header.settings.get("image_rate", 30)))
    with closing(open_decoder(Source(video, header.source.path, kind), image_rate=rate)) as decoder:
        pen = Pen(
            aus=tuple(escape(header.au_names[a]) for a in aus),
            thresholds=tuple(header.thresholds[a] for a in aus),
            scale=max(0.7, decoder.info.height / 720),
            active_only=faces.most > MANY_FACES,
        )
        for frame in decoder:
            picture = frame.image.rgb()
            picture = picture if picture.flags.writeable else picture.copy()
            if options.blur:
                blur_faces(picture, faces.blurred_at(frame.time_s))
            draw_faces(picture, faces.at(frame.index), frame.time_s, pen)
            yield frame.index, frame.time_s, picture


def _check_source(video: Path, results: Results) -> None:
    """Refuse a video that is not the one of the results."""
    source = results.header.source
    if not video.exists():
        raise UsageError(f"{escape(str(video))} does not exist: expected the video {escape(source.path)}")
    if source.kind not in FOLDERS and video.is_file() and video.stat().st_size != source.size_bytes:
        raise UsageError(
            f"{escape(str(video))} is not the video of these results, or it changed: expected "
            f"{source.size_bytes} bytes, found {video.stat().st_size}"
        )
