"""Results files matched to the challenge's videos by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from autrt.errors import UsageError
from autrt.results.challenge.frame_list import without_suffix
from autrt.results.schema import SUFFIX
from autrt.storage.escape import escape

_SHOWN: Final = 5


def match_results(videos: Sequence[str], found: Sequence[tuple[Path, Path]]) -> dict[str, Path]:
    """Return the results file of each video.

    A video is matched by its path below the input folder, or by its file name if that is unique, with or
    without its extension.

    Args:
        videos: the challenge's names.
        found: results files and their paths relative to the searched folder (`find_results`).

    Raises:
        UsageError: a video has no results, or a name matches several.
    """
    named = _named(found)
    out, lacking = dict[str, Path](), list[str]()
    for video in videos:
        files = next((named[key] for key in video_keys(video) if key in named), [])
        if len(files) > 1:
            raise UsageError(
                f"the video {escape(video)!r} could be {' or '.join(escape(str(file)) for file in files[:2])}: "
                "export one of these folders at a time"
            )
        if files:
            out[video] = files[0]
        else:
            lacking.append(video)
    if lacking:
        shown = ", ".join(map(escape, lacking[:_SHOWN])) + (" …" if len(lacking) > _SHOWN else "")
        raise UsageError(
            f"no results for {len(lacking)} of {len(videos)} videos of the list: {shown}. Run `autrt infer` on "
            "them (Aff-Wild2's _left and _right videos exist as folders of cropped pictures), or name their results"
        )
    return out


def results_by_name(found: Sequence[tuple[Path, Path]]) -> dict[str, Path]:
    """Return every results file by its video's name without folders and extension, sorted by name.

    Raises:
        UsageError: two files have the same name.
    """
    out: dict[str, Path] = {}
    for path, relative in found:
        name = without_suffix(relative.name.removesuffix(SUFFIX))
        if out.setdefault(name, path) != path:
            raise UsageError(
                f"{escape(str(out[name]))} and {escape(str(path))} are both of a video {escape(name)!r}: export "
                "their folders one at a time, or name the videos by --frames"
            )
    return dict(sorted(out.items()))


def _named(found: Sequence[tuple[Path, Path]]) -> dict[str, list[Path]]:
    out: dict[str, list[Path]] = {}
    for path, relative in found:
        for key in video_keys(relative.as_posix().removesuffix(SUFFIX)):
            files = out.setdefault(key, [])
            if path not in files:
                files.append(path)
    return out


def video_keys(video: str) -> list[str]:
    """Return the names that match a video, the most specific first."""
    name = PurePosixPath(video).name
    return list(dict.fromkeys((video, without_suffix(video), name, without_suffix(name))))
