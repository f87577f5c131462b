"""The command line. Commands are loaded when they are called; help comes from a table.

Exit codes: 0 all done; 1 an unexpected error or a full disk; 2 wrong usage, configuration or input (nothing was
touched); 3 finished, but some inputs failed; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import NoReturn

import click

from autrt import __version__
from autrt.errors import AutrtError
from autrt.extras import EXTRAS, missing_dependency, missing_package

COMMANDS = {
    "infer": "Recognise Action Units in videos and write one HDF5 file per video.",
    "plan": "Share videos out among machines by their durations, for `infer --plan`.",
    "status": "Say how far the runs in an output folder are, and when they will be done.",
    "summary": "Say what results hold: a table for each video and face.",
    "dataset": "Keep one Parquet data set over all results, for DuckDB, Polars, Spark.",
    "recompute": "Decide anew from stored logits: thresholds, smoothing, weights, baseline.",
    "report": "Show results as a page: timelines, rates, and what to look at.",
    "live": "Show the Action Units of a camera on a web page.",
    "overlay": "Draw results on their video, or blur its faces.",
    "export": "Turn results into tables, events for ELAN or BORIS, or the ABAW challenge's files.",
    "verify": "Read results files whole and say which are damaged.",
    "build-engine": "Compile a model for this machine ahead of its first use.",
    "train": "Train AU models by recipe; without a recipe, list them.",
    "eval": "Evaluate a model or results against annotations; compare two; calibrate.",
    "ensemble": "Make one model of several networks, chosen on validation data.",
    "distill": "Train a small model on a large one's outputs, also for videos without labels.",
    "crop": "Cut aligned face crops out of videos or pictures, with their index.",
    "pack": "Pack crops into a few large files, which training reads faster.",
    "synth": "Render faces and videos with exact Action Unit labels.",
    "bench": "Measure speed, memory and accuracy on this machine; compare two runs.",
    "fetch": "Fetch the face detector and demo clips into the user's cache.",
    "doctor": "Say what this machine can do, and what each missing part would need.",
}
"""Every command with its one line of help; its code is `autrt.cli.<name>:command`."""


class LazyGroup(click.Group):
    """Loads a command's module only when that command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        return import_module(f"autrt.cli.{cmd_name.replace('-', '_')}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument names; raise with a hint for other tools' commands."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from autrt.cli.hints import command_hint

            raise command_hint(ctx, args, list(COMMANDS), lambda name: self.get_command(ctx, name))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="autrt")
def group() -> None:
    """Facial Action Units in archives of video, fast."""


def main() -> NoReturn:
    """Run the command line and exit with one of the codes above."""
    try:
        code = group.main(prog_name="autrt", standalone_mode=False)
        finish = code if isinstance(code, int) else 0
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        finish = end.exit_code
    except click.ClickException as error:
        _hinted(error).show()
        finish = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        finish = 130
    except AutrtError as error:
        click.echo(f"error: {error}", err=True)
        finish = error.exit_code
    except ModuleNotFoundError as error:
        if missing_package(error) not in EXTRAS:
            raise
        click.echo(f"error: {missing_dependency(error, 'this')}", err=True)
        finish = 2
    except BrokenPipeError:
        # The reader of our output is gone; discard what is still buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        finish = 1
    sys.exit(finish)


def _hinted(error: click.ClickException) -> click.ClickException:
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return error
    from autrt.cli.hints import option_hint

    root = error.ctx.find_root()
    return option_hint(error, sys.argv[1:], lambda name: group.get_command(root, name))
