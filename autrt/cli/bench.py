"""`autrt bench`: measurements of this program on this machine, and their comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from autrt.cli.paths import LocalPath, NameOrPath
from autrt.errors import UsageError


class BenchGroup(click.Group):
    """The group whose arguments are suites to measure, unless the first one names a subcommand."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` in front of arguments that name no subcommand and ask for no help."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=BenchGroup, subcommand_metavar="[run] [SUITE]… | list | compare A B")
def command() -> None:
    """Measure speed, memory and accuracy on this machine.

    `autrt bench` alone takes about three minutes. `autrt bench list` lists the suites, `autrt bench run --help` the
    options, and `autrt bench compare A B` compares two runs.
    """


@command.command("list")
def list_() -> None:
    """List the suites."""
    from autrt_bench.suites import ABOUT, SELECTION

    for name, about in ABOUT.items():
        click.echo(f"{name:9} {about}{' *' if name in SELECTION else ''}")
    click.echo("* measured in a short form by `autrt bench` without a suite")


@command.command()
@click.argument("suites", nargs=-1, metavar="[SUITE]…")
@click.option(
    "--clip",
    "clips",
    multiple=True,
    type=LocalPath(exists=True, resolve_path=True),
    help="A video to measure on; may be given several times.  [default: a demo clip, also enlarged]",
)
@click.option(
    "--model",
    type=NameOrPath(),
    help="A packaged model's name, or a model folder.  [default: as for `autrt infer`]",
)
@click.option(
    "--repeats",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    help="Measurements of each case, in turns.",
)
@click.option("--quick", is_flag=True, help="Fewer cases and shorter turns.")
@click.option(
    "--out",
    type=LocalPath(file_okay=False),
    help="Folder of the history, the plots and the page.  [default: bench/history in a checkout, otherwise the "
    "user's data folder]",
)
def run(
    suites: tuple[str, ...],
    clips: tuple[Path, ...],
    model: str | None,
    repeats: int,
    quick: bool,
    out: Path | None,
) -> None:
    """Measure SUITES and append the numbers to this machine's history, with the commit."""
    from autrt.model.folder import DEFAULT_MODEL, load_model
    from autrt_bench.reporting.fingerprint import fingerprint
    from autrt_bench.reporting.history import history_folder
    from autrt_bench.reporting.save_run import save_run
    from autrt_bench.run_suites import run_suites
    from autrt_bench.suites import SELECTION
    from autrt_bench.types import BenchSettings

    settings = BenchSettings(
        model=load_model(model or DEFAULT_MODEL),
        model_named=model is not None,
        clips=clips,
        repeats=repeats,
        quick=quick or not suites,
        log=click.echo,
    )
    found = run_suites(suites or SELECTION, settings, fingerprint())
    if not found.measurements:
        raise UsageError("nothing could be measured; the reasons stand above")
    saved = save_run(out or history_folder(), found, click.echo)
    click.echo(f"\n{found.name} → {saved.history}\n{saved.page}")


@command.command()
@click.argument("a", type=NameOrPath())
@click.argument("b", type=NameOrPath())
@click.option(
    "--history",
    type=LocalPath(),
    help="File in which commits and names are looked up.  [default: this machine's]",
)
@click.option(
    "--fail-on-slower",
    type=click.FloatRange(0),
    metavar="PCT",
    help="Exit with 1 if anything is surely worse, by more than PCT per cent.",
)
def compare(a: str, b: str, history: Path | None, fail_on_slower: float | None) -> None:
    """Compare run A with run B: each a history file (its last run), a commit, or a run's name."""
    from autrt_bench.reporting.compare import differences, lines
    from autrt_bench.reporting.history import find_run, history_folder

    file: Any = history or _this_machines(history_folder())
    first, second = find_run(a, file), find_run(b, file)
    found = differences(first, second)
    for line in lines(first, second, found):
        click.echo(line)
    if fail_on_slower is None:
        return
    if not any(d.is_conclusive for d in found):
        raise UsageError("nothing can be compared: expected the same suites in both, at least 4 repeats each")
    worse = [d for d in found if d.worse_by() > fail_on_slower]
    click.echo(f"surely worse, by more than {fail_on_slower:g} %: {len(worse)}", err=True)
    if worse:
        raise SystemExit(1)


def _this_machines(folder: Path) -> Path:
    from autrt_bench.reporting.fingerprint import fingerprint
    from autrt_bench.reporting.save_run import history_file

    return history_file(folder, fingerprint())
