"""`autrt overlay`: a video with its results drawn on it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from autrt.cli.paths import LocalPath


@click.command("overlay", short_help="Draw results on their video, or blur its faces.")
@click.argument("video", type=LocalPath(exists=True))
@click.argument("results", type=LocalPath(exists=True, dir_okay=False))
@click.option("--out", required=True, type=LocalPath(), help="The video to write: .mp4, .mov or .mkv.")
@click.option("--frames", is_flag=True, help="Pictures instead: a JPEG a frame, in the new folder --out.")
@click.option("--blur-faces", "blur", is_flag=True, help="Make every face that was found unrecognisable.")
@click.option("--no-sound", is_flag=True, help="Leave out the video's sound: voices tell people, too.")
@click.option("--all-aus", is_flag=True, help="Experimental Action Units too (docs/models.md).")
def command(
    video: Path, results: Path, out: Path, frames: bool, blur: bool, no_sound: bool, all_aus: bool
) -> None:
    """Draw the results file RESULTS on its VIDEO: boxes, landmarks, track ids, and a bar for each Action Unit.

    A bar is the smoothed probability, coloured where the unit is active; the white line is the threshold. Frames
    keep their times, and the sound is copied.

    Only faces that were found are blurred: look at the video before you share it.
    """
    from autrt.overlay.make import OverlayOptions, write_overlay, write_overlay_frames
    from autrt.results.reader import open_results

    with open_results(results) as opened:
        hidden = not sys.stderr.isatty()
        with click.progressbar(length=opened.n_frames, label="frames", hidden=hidden, file=sys.stderr) as bar:
            options = OverlayOptions(
                blur=blur, sound=not no_sound, all_aus=all_aus, on_frame=lambda _: bar.update(1)
            )
            n = (write_overlay_frames if frames else write_overlay)(video, opened, out, options)
    click.echo(f"{n} frames in {out}")
