"""Kind of a file: video, picture or neither, by its name or, where that is unknown, its first bytes."""

from __future__ import annotations

import stat
from pathlib import Path, PurePath
from typing import Final

from autrt.errors import VideoError
from autrt.plugins import DECODERS, plugins
from autrt.types import SourceKind
from autrt.video.container import open_container
from autrt.video.picture_file import holds_several
from autrt.video.stream_choice import ranked_streams
from autrt.video.unreadable import HEAD_BYTES, is_text

VIDEO_SUFFIXES: Final = frozenset({
    ".3g2", ".3gp", ".amv", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264", ".h265",
    ".hevc", ".insv", ".ivf", ".lrv", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv",
    ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb",
    ".ts", ".vob", ".webm", ".wmv", ".wtv", ".y4m",
})  # fmt: skip
"""Suffixes of videos; such a file is a source whatever its content."""

STILL_SUFFIXES: Final = frozenset({
    ".avif", ".bmp", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif",
    ".tiff", ".webp",
})  # fmt: skip
"""Suffixes of pictures."""

_MAYBE_SEVERAL: Final = frozenset({".avif", ".heic", ".heif", ".png", ".tif", ".tiff", ".webp"})
"""Suffixes of pictures that may be animated, or have several pages; JPEG and others never do."""

_SHARED_SUFFIXES: Final = frozenset({".ts", ".mts"})
"""Suffixes of both videos and source code; a text file with one is not a source."""

_NEVER_VIDEO: Final = frozenset({
    ".7z", ".aac", ".aif", ".aiff", ".c", ".crdownload", ".csv", ".doc", ".docx", ".flac", ".gz", ".h5",
    ".hdf5", ".html", ".ipynb", ".json", ".jsonl", ".log", ".m4a", ".mat", ".md", ".mp3", ".npy", ".npz",
    ".onnx", ".parquet", ".part", ".pdf", ".pkl", ".pt", ".pth", ".py", ".rar", ".safetensors", ".srt",
    ".tar", ".tmp", ".toml", ".tsv", ".txt", ".vtt", ".wav", ".wma", ".xlsx", ".xml", ".xz", ".yaml",
    ".yml", ".zip",
})  # fmt: skip
"""Suffixes of files that are not opened. An unfinished download may decode, but is not complete."""

_QUICK: Final = {
    # Only formats with a clear signature; FFmpeg would guess raw streams, drawn text and pictures.
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mxf,gif,rm,ivf,nut,dv,wtv,yuv4mpegpipe",
    "probesize": "1000000",
    "analyzeduration": "1000000",
}


def kind_by_name(name: str) -> SourceKind | None:
    """Return the kind of a file by its suffix; None where the suffix is unknown."""
    suffix = PurePath(name).suffix.lower()
    if suffix in STILL_SUFFIXES:
        return "still"
    return "video" if suffix in VIDEO_SUFFIXES or suffix[1:] in plugins(DECODERS) else None


def kind_of_file(path: Path) -> SourceKind | None:
    """Return the kind of a file that was found in a folder; None if it is neither video nor picture."""
    suffix = path.suffix.lower()
    if suffix[1:] in plugins(DECODERS):
        return "video"
    if suffix in _NEVER_VIDEO:
        return None
    if suffix in _SHARED_SUFFIXES:
        return None if is_text(_head(path)) else "video"
    if suffix in _MAYBE_SEVERAL and holds_several(path):
        return "video"
    return kind_by_name(path.name) or ("video" if holds_video(path) else None)


def kind_of_named(path: Path) -> SourceKind:
    """Return the kind of a file that was named itself, and so is a source in any case."""
    kind = kind_by_name(path.name) or "video"
    return "video" if kind == "still" and holds_several(path) else kind


def holds_video(path: Path) -> bool:
    """Return whether a file is a known container with a video stream."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        head = _head(path)
        if not head or is_text(head):
            return False
        with open_container(path, _QUICK) as container:
            return any(stream.width > 0 for stream in ranked_streams(container))
    except (OSError, VideoError):
        return False


def _head(path: Path) -> bytes:
    """Return the first bytes of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""
