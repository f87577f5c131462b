"""Writing of a report: one page of up to `ONE_PAGE` videos, beyond that an index and a page a video."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autrt.errors import ResultsError
from autrt.extras import importing
from autrt.report.content import VideoContent, read_content
from autrt.results.events.find import EventRule
from autrt.results.open_guarded import open_guarded
from autrt.run.manifest import read_manifests
from autrt.run.manifest_event import ManifestEvent
from autrt.storage.atomic_file import replacing
from autrt.storage.atomic_folder import new_folder
from autrt.storage.escape import escape

with importing("the report", "report"):
    from autrt.report.page.render import Overview, plotly_script, render_page

ONE_PAGE: Final = 50
BINS_OF_A_PAGE: Final = 60_000
"""Bins of all timelines of one page together, which bounds its size."""
MOST_BINS: Final = 4000
_SCRIPT: Final = "plotly.min.js"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """How a report is made."""

    title: str
    rule: EventRule
    all_aus: bool
    videos: Path | None
    """The videos' folder, for pictures of the peaks; None: no pictures."""
    on_video: Callable[[int], object] = lambda _: None
    """Called with the number of videos that were read so far."""


def write_report(
    paths: Sequence[Path], folders: Sequence[Path], out: Path, options: ReportOptions
) -> Overview:
    """Write a report of results files; damaged ones are named in it.

    Args:
        paths: results files.
        folders: output folders of runs, whose manifests name the videos that failed.
        out: the HTML file. Beyond `ONE_PAGE` videos the pages stand in a folder beside it, NAME_files.
        options: how.

    Returns:
        The overview that it states.

    Raises:
        DiskFullError, ResultsError: the report cannot be written.
    """
    last = _last_events(folders)
    failed = [
        (escape(path), e.reason) for path, e in sorted(last.items()) if e.status in ("failed", "stopped")
    ]
    where = ", ".join(escape(str(f)) for f in folders) or f"{len(paths)} results files"
    overview = Overview(where=where, failed=failed)
    contents = _contents(paths, last, overview, options)
    if len(paths) <= ONE_PAGE:
        _write_one(contents, overview, out, options)
    else:
        _write_pages(contents, overview, out, options)
    return overview


def _write_one(
    contents: Iterator[VideoContent], overview: Overview, out: Path, options: ReportOptions
) -> None:
    videos = [(f"v{i}", content) for i, content in enumerate(contents)]
    for name, content in videos:
        overview.add(content, f"#{name}")
    _write(out, overview, options, videos)


def _write_pages(
    contents: Iterator[VideoContent], overview: Overview, out: Path, options: ReportOptions
) -> None:
    pages = out.with_name(f"{out.stem}_files")
    with new_folder(pages, overwrite=True) as folder:
        (folder / _SCRIPT).write_text(plotly_script(), encoding="utf-8")
        for i, content in enumerate(contents):
            overview.add(content, f"{pages.name}/v{i}.html")
            page = render_page(
                title=content.summary.video,
                rule=options.rule,
                overview=None,
                videos=[(f"v{i}", content)],
                left_out=content.left_out,
                script_file=_SCRIPT,
                back=f"../{out.name}",
            )
            (folder / f"v{i}.html").write_text(page, encoding="utf-8")
    _write(out, overview, options, [])


def _write(
    out: Path, overview: Overview, options: ReportOptions, videos: Sequence[tuple[str, VideoContent]]
) -> None:
    page = render_page(
        title=options.title,
        rule=options.rule,
        overview=overview,
        videos=videos,
        left_out=list(overview.left_out),
    )
    with replacing(out) as part:
        part.write_text(page, encoding="utf-8")


def _contents(
    paths: Sequence[Path], last: dict[str, ManifestEvent], overview: Overview, options: ReportOptions
) -> Iterator[VideoContent]:
    """Yield the content of each results file that can be read; the others go to `overview.damaged`."""
    most_bins = MOST_BINS if len(paths) > ONE_PAGE else min(MOST_BINS, BINS_OF_A_PAGE // max(len(paths), 1))
    for i, path in enumerate(paths):
        try:
            with open_guarded(path) as results:
                event = last.get(results.header.source.path)
                content = read_content(
                    results,
                    options.rule,
                    all_aus=options.all_aus,
                    most_bins=most_bins,
                    videos=options.videos,
                    processing_s=event.seconds or None if event else None,
                )
        except ResultsError as error:
            overview.damaged.append((escape(str(path)), str(error)))
        else:
            yield content
        options.on_video(i + 1)


def _last_events(folders: Sequence[Path]) -> dict[str, ManifestEvent]:
    """Return video → how it last ended, by the folders' manifests."""
    ended = ("ok", "partial", "failed", "stopped")
    return {e.path: e for folder in folders for e in read_manifests(folder) if e.status in ended}
