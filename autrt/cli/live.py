"""`autrt live`: Action Units of a camera, on a web page."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

import click

from autrt.cli.paths import LocalPath, NameOrPath
from autrt.errors import UsageError
from autrt.results.schema import SUFFIX


@click.command("live", short_help="Show the Action Units of a camera on a web page.")
@click.argument("source", required=False)
@click.option("--camera", type=click.IntRange(0), help="Number of a camera.  [default: 0]")
@click.option(
    "--record", type=LocalPath(dir_okay=False), help="Write what is recognised to this results file, NAME.h5."
)
@click.option("--overwrite", is_flag=True, help="Replace the file of --record.")
@click.option("--model", type=NameOrPath(), help="A packaged model's name, or a model folder.")
@click.option(
    "--quality", type=click.Choice(["max", "balanced", "fast"]), default="balanced", show_default=True,
    help="As for `autrt infer`.",
)  # fmt: skip
@click.option("--engine", default="auto", show_default=True, help="As for `autrt infer`.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda:N.")
@click.option("--all-aus", is_flag=True, help="Experimental Action Units too (docs/models.md).")
@click.option("--loop", is_flag=True, help="Begin a file again at its end.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), help="End after so much time of the camera."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address of the page; other than this one it asks for a "
    "token, and the connection is not encrypted.",
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any free one."
)
@click.option("--no-browser", is_flag=True, help="Open no browser.")
@click.option("--offline", is_flag=True, help="Never use the network for the face detector.")
def command(
    source: str | None,
    camera: int | None,
    record: Path | None,
    overwrite: bool,
    model: str | None,
    quality: str,
    engine: str,
    device: str,
    all_aus: bool,
    loop: bool,
    seconds: float | None,
    host: str,
    port: int,
    no_browser: bool,
    offline: bool,
) -> None:
    """Show the picture of a camera with its faces, and a bar for each of their Action Units, on a web page.

    SOURCE is a video file, which plays at its own speed, or the URL of a stream (rtsp://, http://); without it the
    first camera is taken.

    What is shown looks at the past alone (docs/api.md says how it differs from a file's results), and the newest
    picture is always the next one: those that come faster than they can be recognised are left out and counted.
    Ctrl-C ends, and completes the recording; a killed process leaves none.
    """
    from autrt.live.camera import open_camera
    from autrt.live.server import LiveServer
    from autrt.live.session import Session
    from autrt.live.view import View
    from autrt.recogniser.recogniser import Recogniser
    from autrt.run.signals import Signals

    if source is not None and camera is not None:
        raise UsageError(f"expected either a file or URL, or --camera, found both: {source} and {camera}")
    _check_record(record, overwrite)
    opened = open_camera((camera or 0) if source is None else _checked(source), loop=loop)
    with Recogniser(
        model, engine=engine, device=device, quality=quality, offline=offline,  # pyright: ignore[reportArgumentType]
        on_message=lambda line: click.echo(line, err=True),
    ) as recogniser:  # fmt: skip
        session = Session(recogniser, opened, record)
        with (
            LiveServer(session, View(session, all_aus=all_aus), host, port) as server,
            Signals(lambda _: session.stop()),
        ):
            click.echo(f"{opened.name} is shown at {server.url} (Ctrl-C ends)")
            if not no_browser and _has_screen():
                webbrowser.open(server.url)
            frames, written = session.run(seconds)
    click.echo(f"{frames} frames" + (f" in {written}" if written else ""))


def _check_record(record: Path | None, overwrite: bool) -> None:
    """Refuse a recording that would not be found as results, or would replace something."""
    if record is None:
        return
    if record.suffix != SUFFIX:
        raise UsageError(f"--record {record}: expected a file that ends in {SUFFIX}")
    if record.exists() and not overwrite:
        raise UsageError(f"{record} exists: choose another name, or replace it with --overwrite")


def _checked(source: str) -> str | Path:
    """Return a URL as it is, and the path of a file that exists."""
    if "://" in source:
        return source
    return Path(LocalPath(exists=True, dir_okay=False).convert(source, None, None))


def _has_screen() -> bool:
    """Return whether a browser window can be opened beside this terminal."""
    return sys.stdout.isatty() and (sys.platform == "darwin" or bool(os.environ.get("DISPLAY")))
