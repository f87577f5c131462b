"""`autrt pack`: pictures in a few large files in place of many small ones."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autrt.cli.paths import LocalPath
from autrt.console import Mode

if TYPE_CHECKING:
    from autrt_train.annotations.stage_progress import StageProgress


SHARD_MB = 256


@click.command("pack", short_help="Pack crops into a few large files, which training reads faster.")
@click.argument("folder", type=LocalPath(file_okay=False, exists=True))
@click.option("--out", type=LocalPath(), help="Folder of the packed store.")
@click.option(
    "--shard-mb",
    type=click.IntRange(1),
    default=SHARD_MB,
    show_default=True,
    help="Size at which a shard ends.",
)
@click.option("--verify", is_flag=True, help="FOLDER is a packed store: read all of it; write nothing.")
@click.option(
    "--progress", default="auto", show_default=True, type=click.Choice(["auto", "plain", "json", "none"])
)
def command(folder: Path, out: Path | None, shard_mb: int, verify: bool, progress: Mode) -> None:
    """Pack all pictures below FOLDER into tar files, byte for byte, with an index and copies of tables and texts.

    The store takes FOLDER's place as a data set's root: paths below it stay what they are. A run that was stopped
    goes on where it was; a store is used only once it is whole.

    Exit codes: 0 done, or all is as it was written; 1 a shard is damaged; 2 wrong usage; 130 interrupted.
    """
    from autrt.errors import UsageError
    from autrt_train.annotations.stage_progress import StageProgress
    from autrt_train.packed.write import verify_pack

    tell = StageProgress(progress)
    if verify == (out is not None):
        raise UsageError("expected --out, a folder for the packed store, or --verify")
    if out is None:
        faults = verify_pack(folder, lambda done, total: tell("shards read", done, total=total))
        for fault in faults:
            click.echo(fault, err=True)
        if faults:
            raise click.exceptions.Exit(1)
        click.echo(f"{folder}: all shards are as they were written")
        return
    pack_folder(folder, out, shard_mb, tell)


def pack_folder(folder: Path, out: Path, shard_mb: int, tell: StageProgress) -> None:
    """Pack a folder and print what was done.

    Raises:
        click.exceptions.Exit: it was stopped.
    """
    from autrt.errors import UsageError
    from autrt.pipeline.recognise import StoppedError
    from autrt.run.signals import Signals
    from autrt.storage.escape import escape
    from autrt_train.packed.write import pack

    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"--out {escape(str(out))} lies in {escape(str(folder))}: choose a folder beside it")
    stop, caught = threading.Event(), list[int]()

    def on_signal(number: int) -> None:
        caught.append(number)
        stop.set()

    try:
        with Signals(on_signal):
            report = pack(
                folder,
                out,
                shard_bytes=shard_mb << 20,
                stop=stop,
                advance=lambda done, total: tell("pictures packed", done, total=total),
            )
    except StoppedError:
        click.echo("stopped; the same command goes on with the shards that are missing", err=True)
        raise click.exceptions.Exit(128 + caught[0]) from None
    again = f", {report.kept} of them from an earlier run" if report.kept else ""
    click.echo(
        f"{report.pictures} pictures in {report.shards} shards ({report.size_bytes / 1e6:.1f} MB){again}, and "
        f"{report.copied} tables and texts, in {escape(str(out))}"
    )
