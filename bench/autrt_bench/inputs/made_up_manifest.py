"""A manifest as after a run over many videos, without videos or results; and many names for a few results."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from autrt.results.names import results_path
from autrt.run.finished_file import FileState, FinishedFile
from autrt.run.manifest import Manifest
from autrt_bench.inputs.made_up_archive import Archive

_FAILED: Final = 50
_PARTIAL: Final = 20
"""Every so many videos fail, or lose something."""


def make_manifest(out: Path, n: int) -> None:
    """Write the manifest of a run over `n` videos: two lines each."""
    state = FileState(30_000, 1, 1, 1)
    finished = FinishedFile("video", 1, 2, "f" * 64, "r" * 64, state, "s" * 64)
    with Manifest(out) as manifest:
        manifest.begin_run(n)
        for i in range(n):
            name = f"folder-{i % 100:02d}/video-{i:06d}.mp4"
            manifest.record(name, "started")
            if i % _FAILED == 0:
                manifest.record(name, "failed", reason="no video stream in it")
            else:
                status = "partial" if i % _PARTIAL == 1 else "ok"
                manifest.record(
                    name, status, frames=60, video_s=2.0, seconds=0.5, run_digest="r" * 64, finished=finished
                )


def link_results(archive: Archive, folder: Path, n: int) -> None:
    """Give the results of an archive `n` names, by links."""
    folder.mkdir()
    targets = archive.targets
    for i in range(n):
        os.link(targets[i % len(targets)], results_path(folder, f"{i:06d}.mp4"))
