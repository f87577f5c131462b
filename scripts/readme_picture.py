"""Draw the picture of a result that the README shows: `python scripts/readme_picture.py RIG OUT.png`.

RIG is a clone of ICT-FaceKit, or a packed `.npz` file of it. A film of two rendered people is made by
`autrt synth`, recognised by `autrt infer`, and drawn from its results file: four frames with boxes and landmarks,
and below them the smoothed probabilities of one track, filled where the Action Unit is active. Needs the extra
`train`, which brings matplotlib.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("agg")
import av
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
from PIL import Image

import autrt
from autrt.results.reader import Results
from autrt.types import U8

FILM = "--people 0 --videos 4 --seconds 10 --shots 10 10 --preset clean --seed 3"
VIDEO = "v0004.mp4"
TRACK = 0
AUS = ("AU2", "AU6", "AU10", "AU25", "AU26")
SHOWN_S = (0.5, 1.8, 6.4, 9.0)
COLOURS = ("#0072b2", "#d55e00")
DPI = 150


def main(rig: str, out: Path) -> None:
    """Render, recognise and draw."""
    with TemporaryDirectory() as folder:
        film, results = Path(folder) / "film", Path(folder) / "results"
        autrt_command("synth", film, "--rig", rig, *FILM.split())
        autrt_command("infer", film / "videos" / VIDEO, "--out", results, "--progress", "none")
        with autrt.open_results(results / f"{VIDEO}.h5") as found:
            draw(found, decoded(film / "videos" / VIDEO), out)


def autrt_command(*arguments: object) -> None:
    """Run `autrt …`, and stop where it fails."""
    subprocess.run([sys.executable, "-m", "autrt", *map(str, arguments)], check=True)


def decoded(video: Path) -> list[U8]:
    """Return every frame as (height, width, 3) uint8 RGB."""
    container: Any
    with av.open(video) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def draw(found: Results, frames: list[U8], out: Path) -> None:
    """Write the picture, in 256 colours."""
    figure, axes = plt.subplot_mosaic(
        [[f"frame{i}" for i in range(len(SHOWN_S))], *[[au] * len(SHOWN_S) for au in AUS]],
        figsize=(8, 4.6),
        height_ratios=[3.4] + [1] * len(AUS),
        layout="constrained",
    )
    time_s = found.frames["time_s"]
    for i, at_s in enumerate(SHOWN_S):
        draw_frame(axes[f"frame{i}"], found, frames, int(np.searchsorted(time_s, at_s)))
    for au in AUS:
        draw_au(axes[au], found, au, last=au == AUS[-1])
    figure.savefig(out, dpi=DPI)
    Image.open(out).convert("RGB").quantize(256).save(out, optimize=True)


def draw_frame(axis: Any, found: Results, frames: list[U8], index: int) -> None:
    """Show one frame with the box and landmarks of each of its faces."""
    axis.imshow(frames[index])
    for row in np.nonzero(found.faces["frame"] == index)[0]:
        x0, y0, x1, y1 = found.faces["box"][row]
        track = int(found.faces["track"][row])
        axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, color=COLOURS[track], linewidth=1.2))
        axis.scatter(*found.faces["landmarks"][row].T, s=2, color="white", linewidths=0)
        label = {"facecolor": COLOURS[track], "pad": 1.5, "linewidth": 0}
        axis.text(x0, y0 - 12, f"track {track}", color="white", fontsize=6, bbox=label)
    axis.set_title(f"{found.frames['time_s'][index]:.1f} s", fontsize=8)
    axis.set_axis_off()


def draw_au(axis: Any, found: Results, au: str, *, last: bool) -> None:
    """Plot one Action Unit's smoothed probability over time, filled where it is active."""
    column, rows = found.au_names.index(au), found.faces["track"] == TRACK
    time_s = found.frames["time_s"][found.faces["frame"][rows]]
    probability, active = found.faces["smoothed"][rows, column], found.faces["active"][rows, column]
    axis.plot(time_s, probability, color=COLOURS[TRACK], linewidth=1)
    axis.fill_between(time_s, 0, probability, where=active, color=COLOURS[TRACK], alpha=0.3, linewidth=0)
    axis.axhline(found.header.thresholds[column], color="grey", linewidth=0.6, linestyle=":")
    for at_s in SHOWN_S:
        axis.axvline(at_s, color="lightgrey", linewidth=0.6, zorder=0)
    axis.set(xlim=(0, time_s[-1]), ylim=(0, 1.02), yticks=[0, 1])
    axis.set_ylabel(au, rotation=0, ha="right", va="center", fontsize=8)
    axis.tick_params(labelsize=7, labelbottom=last)
    axis.spines[["top", "right"]].set_visible(False)
    if last:
        axis.set_xlabel("time in the video (s)", fontsize=8)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
