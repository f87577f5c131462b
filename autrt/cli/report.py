"""`autrt report`: results as a page to look at."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from autrt.cli.paths import LocalPath, OutputFile

REPORT_HTML = "report.html"

SHOWN = 3
"""Videos without pictures that are named; of more, the number."""


@click.command("report", short_help="Show results as a page: timelines, rates, what to look at.")
@click.argument("paths", nargs=-1, required=True, type=LocalPath())
@click.option(
    "--out",
    type=OutputFile(".html", ".htm"),
    help=f"The HTML file.  [default: {REPORT_HTML} in the first of PATHS, or beside it]",
)
@click.option("--title", help="Title of the page.  [default: the folder's name]")
@click.option(
    "--pictures",
    "videos",
    metavar="VIDEOS",
    type=LocalPath(file_okay=False, exists=True),
    help="Show the faces at which Action Units peak, taken from the videos in this folder, the input of infer. The "
    "page then holds pictures of people.",
)
@click.option("--all-aus", is_flag=True, help="Experimental Action Units too (docs/models.md).")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    out: Path | None,
    title: str | None,
    videos: Path | None,
    all_aus: bool,
) -> None:
    """Write a page that shows the results files in PATHS (files, or folders of .h5 files) in a browser.

    It opens from disk and needs no network. For all videos: how many, how long, with how many faces, what was lost
    and what failed; for each video a timeline of all Action Units, events per minute and their durations, which
    units are seen together, and what makes its numbers doubtful. Beyond 50 videos it is an index, with a page for
    each video in a folder beside it.

    Exit code 0: all were read; 3: some are damaged, and named in the page.
    """
    from autrt.report.write import ReportOptions, write_report
    from autrt.results.events.find import EventRule
    from autrt.results.find import find_results

    found = list(dict.fromkeys(path for path, _ in find_results(paths)))
    first = paths[0] if paths[0].is_dir() else paths[0].parent
    target = out or first / REPORT_HTML
    hidden = len(found) < 2 or not sys.stderr.isatty()
    with click.progressbar(length=len(found), label="reading", hidden=hidden, file=sys.stderr) as bar:
        options = ReportOptions(
            title=title or first.resolve().name,
            rule=EventRule(),
            all_aus=all_aus,
            videos=videos,
            on_video=lambda _: bar.update(1),
        )
        overview = write_report(found, [path for path in paths if path.is_dir()], target, options)
    for _, reason in overview.damaged:
        click.echo(reason, err=True)
    for video, reason in overview.no_pictures[:SHOWN]:
        click.echo(f"no pictures of {video}: {reason}", err=True)
    if overview.no_pictures:
        click.echo(
            f"{len(overview.no_pictures)} of {overview.total.videos} videos have no pictures: --pictures takes the "
            "folder that was the input of `autrt infer`, with the videos as they were then",
            err=True,
        )
    click.echo(f"{overview.total.videos} of {len(found)} videos in {target}")
    if overview.damaged:
        ctx.exit(3)
