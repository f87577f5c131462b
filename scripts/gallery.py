"""Make what docs/gallery.md shows, from the demo clips: `python scripts/gallery.py OUT`.

OUT gets report.html, overlay.mp4, blurred.mp4, overlay.jpg and notebook.html. `scripts/docs` runs it; nothing of it
is committed, as it shows people. Needs the extra `dev`; the clips and the face detector are fetched on first use.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from autrt.download.fetch import fetch

CLIPS = ("clip-smile", "clip-laugh", "clip-talk")
SHOWN = "smile.mp4"
FRAME = "000040.jpg"
NOTEBOOK = Path(__file__).parent.parent / "examples" / "results.ipynb"


def main(out: Path) -> None:
    """Recognise the clips, and show them in each way."""
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        clips, results, frames = (Path(scratch) / name for name in ("clips", "results", "frames"))
        clips.mkdir()
        for name in CLIPS:
            copy(fetch(name), clips)
        autrt("infer", clips, "--out", results, "--progress", "none")
        report = ("--out", out / "report.html", "--title", "Three demo clips", "--pictures", clips)
        autrt("report", results, *report)
        video, found = clips / SHOWN, results / f"{SHOWN}.h5"
        autrt("overlay", video, found, "--out", out / "overlay.mp4")
        autrt("overlay", video, found, "--out", out / "blurred.mp4", "--blur-faces", "--no-sound")
        autrt("overlay", video, found, "--out", frames, "--frames")
        copy(frames / FRAME, out / "overlay.jpg")
    notebook(out / "notebook.html")


def autrt(*arguments: object) -> None:
    """Run `autrt …`, and stop where it fails."""
    subprocess.run([sys.executable, "-m", "autrt", *map(str, arguments)], check=True)


def notebook(target: Path) -> None:
    """Run the example notebook and write it as a page."""
    cells = nbformat.read(NOTEBOOK, as_version=4)
    with TemporaryDirectory() as folder:
        NotebookClient(cells, timeout=300, resources={"metadata": {"path": folder}}).execute()
    page, _ = HTMLExporter().from_notebook_node(cells)
    target.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
