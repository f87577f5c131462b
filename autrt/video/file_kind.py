"""What a file is: video, picture or neither, by its name and, where that says nothing, by a cheap look inside."""

from __future__ import annotations

import stat
from pathlib import Path, PurePath
from typing import Final, Literal

from autrt.errors import VideoError
from autrt.plugins import DECODERS, plugins
from autrt.video.container import main_stream, open_container
from autrt.video.unreadable import HEAD_BYTES, is_text

VIDEO_SUFFIXES: Final = frozenset({
    ".3g2", ".3gp", ".amv", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264", ".h265",
    ".hevc", ".insv", ".ivf", ".lrv", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv",
    ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb",
    ".ts", ".vob", ".webm", ".wmv", ".wtv", ".y4m",
})  # fmt: skip
"""Names that say video; such a file is a source whatever is in it."""

STILL_SUFFIXES: Final = frozenset({
    ".avif", ".bmp", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif",
    ".tiff", ".webp",
})  # fmt: skip
"""Names that say picture."""

_SHARED_SUFFIXES: Final = frozenset({".ts", ".mts"})
"""Video or source code: text under these names is no source."""

_NEVER_VIDEO: Final = frozenset({
    ".7z", ".aac", ".aif", ".aiff", ".c", ".crdownload", ".csv", ".doc", ".docx", ".flac", ".gz", ".h5",
    ".hdf5", ".html", ".ipynb", ".json", ".jsonl", ".log", ".m4a", ".mat", ".md", ".mp3", ".npy", ".npz",
    ".onnx", ".parquet", ".part", ".pdf", ".pkl", ".pt", ".pth", ".py", ".rar", ".safetensors", ".srt",
    ".tar", ".tmp", ".toml", ".tsv", ".txt", ".vtt", ".wav", ".wma", ".xlsx", ".xml", ".xz", ".yaml",
    ".yml", ".zip",
})  # fmt: skip
"""Names that are not worth a look. An unfinished download may well decode, but is not the file yet."""

_QUICK: Final = {
    # Only formats that are known by a clear mark: raw streams, drawn text and pictures would be guesses.
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mxf,gif,rm,ivf,nut,dv,wtv,yuv4mpegpipe",
    "probesize": "1000000",
    "analyzeduration": "1000000",
}

Kind = Literal["video", "images", "still"]


def kind_by_name(name: str) -> Kind | None:
    """What a file's name says it is; None where it says nothing."""
    suffix = PurePath(name).suffix.lower()
    if suffix in STILL_SUFFIXES:
        return "still"
    return "video" if suffix in VIDEO_SUFFIXES or suffix[1:] in plugins(DECODERS) else None


def kind_of_file(path: Path) -> Kind | None:
    """What a file found in a folder is; None if it is neither video nor picture."""
    suffix = path.suffix.lower()
    if suffix[1:] in plugins(DECODERS):
        return "video"
    if suffix in _NEVER_VIDEO:
        return None
    if suffix in _SHARED_SUFFIXES:
        return None if is_text(_head(path)) else "video"
    return kind_by_name(path.name) or ("video" if holds_video(path) else None)


def holds_video(path: Path) -> bool:
    """Whether a file of unknown name is a video: a known container with a video stream of some size."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        head = _head(path)
        if not head or is_text(head):
            return False
        with open_container(path, _QUICK) as container:
            return main_stream(container).width > 0
    except (OSError, VideoError):
        return False


def _head(path: Path) -> bytes:
    """How a file begins; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""
