"""`autrt crop`: aligned crops and their index."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autrt.cli.command_line import typed_command
from autrt.cli.paths import LocalPath, NameOrPath
from autrt.console import Mode
from autrt.settings import MAX_PIXELS

if TYPE_CHECKING:
    from autrt.run.options import InferOptions
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
@click.option("--pack", type=LocalPath(), help="Then pack OUT into this folder, as `autrt pack` does.")
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
@click.option("--max-pixels", type=click.IntRange(1), default=MAX_PIXELS, help="As for `autrt infer`.")
@click.option("--workers", type=click.IntRange(1), help="Videos in flight at once (default: by the cores).")
@click.option("--offline", is_flag=True, help="Never use the network; fail if something is not there yet.")
@click.option(
    "--progress", default="auto", show_default=True, type=click.Choice(["auto", "plain", "json", "none"])
)
def command(
    paths: tuple[Path, ...],
    videos: tuple[Path, ...],
    out: Path,
    margin_px: int,
    every: int,
    all_faces: bool,
    pack: Path | None,
    results: Path | None,
    progress: Mode,
    **search: Any,
) -> None:
    """Cut faces out of videos, folders of pictures and stills in PATHS and --videos.

    Faces are found as `autrt infer` finds them, and its results kept in OUT/results. OUT/index.csv lists the crops.
    A run can be stopped and started again: what is cut is not cut twice.

    Exit codes: 0 all done; 2 wrong usage; 3 some videos failed; 130 interrupted; 143 terminated.
    """
    from autrt.console import make_reporter
    from autrt.errors import UsageError
    from autrt.machine import available_cores
    from autrt.model.folder import load_model
    from autrt.results.names import results_path
    from autrt.run.options import InferOptions
    from autrt.storage.escape import escape
    from autrt.video.discover import discover
    from autrt_train.crop.index import CropSettings, require_same_settings
    from autrt_train.crop.run import CropRun, refuse_inside, refuse_nested

    inputs = (*paths, *videos)
    if not inputs:
        raise UsageError("no input: name files, folders or globs, e.g. `autrt crop --videos DIR --out OUT`")
    refuse_inside(out, inputs)
    sources = discover(inputs, out)
    refuse_nested(sources)
    settings = CropSettings(
        template=load_model(search["model"]).template, margin_px=margin_px, every=every, all_faces=all_faces
    )
    require_same_settings(out, settings)
    unrecognised = False
    if results is None:
        results = out / "results"
        options = InferOptions(inputs=inputs, out=results, command=typed_command(), **search)
        unrecognised = _find_faces(options, progress)
        sources = [s for s in sources if results_path(results, s.relative).exists()]
    with closing(make_reporter(progress)) as reporter:
        run = CropRun(results=results, out=out, settings=settings, reporter=reporter)
        run.run(sources, search["workers"] or available_cores())
        exit_code = 3 if unrecognised or run.count("failed") else 0
        exit_code = exit_code if run.signal is None else 128 + run.signal
        reporter.conclude({"out": escape(str(out)), "exit_code": exit_code})
    if progress != "json":
        _show(run)
    if pack is not None and run.signal is None and run.rows:
        from autrt.cli.pack import SHARD_MB, pack_folder
        from autrt_train.annotations.stage_progress import StageProgress

        pack_folder(out, pack, SHARD_MB, StageProgress(progress))
    if exit_code:
        raise click.exceptions.Exit(exit_code)


def _find_faces(options: InferOptions, progress: Mode) -> bool:
    """Run `autrt infer`; return whether some videos failed.

    Raises:
        click.exceptions.Exit: it was stopped.
    """
    from autrt.cli.ending import finish, run_plan, show
    from autrt.cli.interrupted import explain_interrupt
    from autrt.run.plan import InferPlan

    with explain_interrupt():
        summary = run_plan(InferPlan(options), progress)
    quiet = progress == "json"
    if summary.exit_code != 3:
        finish(summary, quiet=quiet)
        return False
    show(summary, quiet=quiet)
    return True


def _show(run: CropRun) -> None:
    """Print the counts, and the videos that failed or lost something."""
    from autrt.storage.escape import escape

    counts = [f"{run.count(s)} {s}" for s in ("ok", "partial", "failed", "skipped") if run.count(s)]
    click.echo(f"{', '.join(counts) or 'nothing cut'}; {run.rows} crops in {escape(str(run.out))}", err=True)
    for cut in sorted(run.cuts, key=lambda cut: cut.relative):
        if cut.status in ("failed", "partial"):
            click.echo(f"  {cut.status} {escape(cut.relative)}: {escape(cut.reason)}", err=True)
