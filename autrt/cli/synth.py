"""`autrt synth`: faces and videos with exact labels, out of a face rig."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from autrt.cli.paths import LocalPath, NameOrPath


@click.command()
@click.argument("out", type=LocalPath())
@click.option(
    "--rig",
    required=True,
    type=NameOrPath(),
    help="A clone of ICT-FaceKit, its packed .npz file, or `stand-in` (a toy head, to try the command).",
)
@click.option("--people", default=1000, show_default=True, help="How many people; 0 with --videos alone.")
@click.option(
    "--per-person",
    default=5,
    show_default=True,
    help="Faces drawn of each person; each becomes two pictures.",
)
@click.option("--seed", default=0, show_default=True)
@click.option("--workers", type=click.IntRange(1), help="Processes. [default: one a core]")
@click.option(
    "--preset",
    default="full",
    show_default=True,
    type=click.Choice(["full", "clean"]),
    help="clean: heads within ±20°, nothing before the face, mild sensor noise; for a hold-out.",
)
@click.option("--validation", default=0.1, show_default=True, help="Share of the people for validation.")
@click.option("--videos", default=0, show_default=True, help="Labelled videos, of other people.")
@click.option("--seconds", "video_s", default=10.0, show_default=True, help="Length of each video.")
@click.option("--rate", default=25.0, show_default=True, help="Frames a second of the videos.")
@click.option(
    "--shots",
    "shot_s",
    nargs=2,
    type=float,
    default=(2.0, 6.0),
    show_default=True,
    help="Shortest and longest seconds between two cuts.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier data set of that name.")
def command(out: Path, rig: str, workers: int | None, overwrite: bool, **numbers: Any) -> None:
    """Render faces and videos with exact Action Unit labels into the new folder OUT.

    The set has Aff-Wild2's layout; intensities, identities, expressions, boxes and landmarks are in labels.npz, and
    sheet.png is to look at. The same options give the same pictures, whatever the number of processes. Stopped
    early, nothing is left.
    """
    from autrt_train.synth.dataset.dataset import write_dataset
    from autrt_train.synth.dataset.settings import SynthSettings

    done = write_dataset(out, rig, SynthSettings(**numbers), workers=workers, overwrite=overwrite)
    rate = (
        f"{done.pictures / done.duration_s:.0f} pictures/s" if not done.videos else f"{done.duration_s:.0f} s"
    )
    click.echo(f"{out}: {done.pictures} pictures, {done.videos} videos, {rate}")
