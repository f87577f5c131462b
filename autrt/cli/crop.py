"""`autrt crop`: aligned crops and their index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autrt.cli.paths import LocalPath, NameOrPath

if TYPE_CHECKING:
    from autrt_train.crop.run import CropRun


@click.command("crop", short_help="Cut aligned face crops out of videos or pictures, with their index.")
@click.argument("paths", nargs=-1, type=LocalPath())
@click.option("--videos", multiple=True, type=LocalPath(), help="A further file, folder or glob.")
@click.option("--out", required=True, type=LocalPath(), help="Folder for the crops.")
@click.option(
    "--margin-px", type=click.IntRange(0, 64), default=12, show_default=True, help="Added on every side."
)
@click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, help="Cut out of every N-th frame."
)
@click.option(
    "--all-faces", is_flag=True, help="Every track, in a folder of its own; else each frame's main face."
)
@click.option(
    "--results",
    type=LocalPath(file_okay=False, exists=True),
    help="Take faces from these results of `autrt infer` instead of searching for them.",
)
@click.option(
    "--model",
    default="student",
    show_default=True,
    type=NameOrPath(),
    help="Its alignment template is followed.",
)
@click.option("--engine", default="auto", show_default=True, help="As for `autrt infer`.")
@click.option("--device", default="auto", show_default=True, help="As for `autrt infer`.")
@click.option(
    "--quality", default="balanced", show_default=True, type=click.Choice(["max", "balanced", "fast"])
)
@click.option("--detect-every", type=click.IntRange(1), help="Search for faces on every K-th frame.")
@click.option("--workers", type=click.IntRange(1), help="Videos in flight at once (default: by the cores).")
@click.option("--offline", is_flag=True, help="Never use the network; fail if something is not there yet.")
@click.option(
    "--progress", default="auto", show_default=True, type=click.Choice(["auto", "plain", "json", "none"])
)
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    videos: tuple[Path, ...],
    out: Path,
    margin_px: int,
    every: int,
    all_faces: bool,
    results: Path | None,
    **search: Any,
) -> None:
    """Cut faces out of videos, folders of pictures and stills in PATHS and --videos.

    Faces are found as `autrt infer` finds them, and its results kept in OUT/results. OUT/index.csv lists the crops.
    A run can be stopped and started again: what is cut is not cut twice.

    Exit codes: 0 all done; 2 wrong usage; 3 some videos failed; 130 interrupted; 143 terminated.
    """
    from contextlib import closing

    from autrt.cli.infer import command as infer
    from autrt.console import make_reporter
    from autrt.errors import UsageError
    from autrt.machine import available_cores
    from autrt.model.folder import load_model
    from autrt.results.names import results_path
    from autrt.storage.escape import escape
    from autrt.video.discover import discover
    from autrt_train.crop.index import CropSettings, require_same_settings
    from autrt_train.crop.run import CropRun, refuse_inside, refuse_nested

    if not paths and not videos:
        raise UsageError("no input: name files, folders or globs, e.g. `autrt crop --videos DIR --out OUT`")
    refuse_inside(out, [*paths, *videos])
    sources = discover([*paths, *videos], out)
    refuse_nested(sources)
    settings = CropSettings(load_model(search["model"]).template, margin_px, every, all_faces)
    require_same_settings(out, settings)
    unrecognised = False
    if results is None:
        results = out / "results"
        try:
            ctx.invoke(infer, paths=paths, videos=videos, out=results, **search)
        except SystemExit as end:
            if end.code != 3:
                raise
            unrecognised = True  # and already told
        sources = [s for s in sources if results_path(results, s.relative).exists()]
    with closing(make_reporter(search["progress"])) as reporter:
        run = CropRun(results, out, settings, reporter)
        run.run(sources, search["workers"] or available_cores())
        reporter.conclude({"out": escape(str(out)), "exit_code": _exit_code(run, unrecognised)})
    _finish(ctx, run, search["progress"] == "json", unrecognised)


def _finish(ctx: click.Context, run: CropRun, quiet: bool, unrecognised: bool) -> None:
    """The last lines, and the exit code."""
    from autrt.storage.escape import escape

    if not quiet:
        counts = [f"{run.count(s)} {s}" for s in ("ok", "partial", "failed", "skipped") if run.count(s)]
        click.echo(
            f"{', '.join(counts) or 'nothing cut'}; {run.rows} crops in {escape(str(run.out))}", err=True
        )
    for cut in sorted(run.cuts, key=lambda cut: cut.relative):
        if cut.status in ("failed", "partial") and not quiet:
            click.echo(f"  {cut.status} {escape(cut.relative)}: {escape(cut.reason)}", err=True)
    if code := _exit_code(run, unrecognised):
        ctx.exit(code)


def _exit_code(run: CropRun, unrecognised: bool) -> int:
    if run.signal is not None:
        return 128 + run.signal
    return 3 if unrecognised or run.count("failed") else 0
