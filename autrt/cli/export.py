"""`autrt export`: results files as tables, as events, or as the files that the ABAW challenge takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autrt.cli.paths import LocalPath, NameOrPath, Results
from autrt.cloud.mirror import is_mirrored
from autrt.results.events.find import MIN_DURATION_S, RELEASE, EventRule

if TYPE_CHECKING:
    from autrt.results.challenge.validation import Challenge
    from autrt.results.tables.layout import TableLayout

TABLES = {"csv": ".csv", "openface": ".csv", "parquet": ".parquet"}
EVENTS = {"elan": ".eaf", "boris": ".boris", "events-csv": ".csv"}
FILES = {**TABLES, **EVENTS}
"""Format → ending of a file that is named by --out; the first with an ending is the default for it."""

ENDINGS = {**FILES, "openface": ".openface.csv", "events-csv": ".events.csv"}
"""Format → ending of a file of each video: those of two formats may lie side by side."""

CHALLENGES = ("abaw-2022", "abaw-2024")

SHOWN_FAULTS = 20

KNOWN_ENDINGS = ".csv, .parquet, .eaf or .boris"

OTHER_TABLES = frozenset({".tsv", ".txt", ".xlsx", ".xls", ".json", ".feather", ".gz", ".pq"})
"""Endings of other kinds of tables, which are refused."""


@click.command(
    "export", short_help="Write results as tables, events (ELAN, BORIS), or the ABAW challenge's files."
)
@click.argument("paths", nargs=-1, required=True, type=Results())
@click.option(
    "--format",
    "fmt",
    type=click.Choice([*FILES, *CHALLENGES]),
    help="csv; parquet: all columns; openface: OpenFace 2.2's columns, and AUxx_p; elan: a document of each "
    "video's events; boris: a project of events; events-csv: a row for each event; abaw-2022: a text for each "
    "video; abaw-2024: one file.  [default: by --out; csv]",
)
@click.option(
    "--out",
    type=NameOrPath(),  # as text: a slash at the end names a folder
    help="A file (one.csv, one.parquet, one.boris) for all videos together, or a folder for a file of each; beside "
    "the results if left out (not for a challenge).",
)
@click.option(
    "--columns",
    metavar="A,B,…",
    help="What is in the table beside video, frame, time_s and track: score, box, landmarks, source, logit, "
    "probability, smoothed, active, quality, sharpness, member_logit, features, damaged, person, pose, or one "
    "column such as AU12_active.  [default: csv: score,box,smoothed,active; parquet: all but the last five of "
    "these names]",
)
@click.option(
    "--release",
    type=float,
    metavar="SHARE",
    help=f"Events last while the smoothed probability is this share of the threshold.  [default: {RELEASE}]",
)
@click.option(
    "--min-duration",
    type=float,
    metavar="SECONDS",
    help=f"Shorter events are left out.  [default: {MIN_DURATION_S}]",
)
@click.option("--faces-only", is_flag=True, help="No rows for frames without a face.")
@click.option(
    "--min-quality",
    type=click.FloatRange(0, 1),
    metavar="Q",
    help="Leave out faces whose quality is lower (docs/results.md), 0 to 1.",
)
@click.option(
    "--update",
    is_flag=True,
    help="Leave tables alone that are newer than their results and were made with the same options.",
)
@click.option(
    "--frames",
    type=LocalPath(),
    help="The challenge's list of videos or of frames, all of which its files must hold.",
)
@click.option(
    "--frame-counts",
    type=LocalPath(),
    help="Numbers of frames of the challenge's videos: a list (anna.mp4,80), or a folder of the videos.",
)
@click.option(
    "--validate",
    is_flag=True,
    help="PATHS is a folder with a challenge's files: compare them with --frames or --frame-counts; write nothing.",
)
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    fmt: str | None,
    out: str | None,
    columns: str | None,
    release: float | None,
    min_duration: float | None,
    faces_only: bool,
    min_quality: float | None,
    update: bool,
    frames: Path | None,
    frame_counts: Path | None,
    validate: bool,
) -> None:
    """Write the results files in PATHS (files, or folders of .h5 files) as tables or events.

    A row per face in a frame, and one without values for a frame without a face. `video`, `frame` (from 0),
    `time_s` and `track` come first; names are the same in CSV, Parquet and data frames (docs/results.md). Beside a
    CSV file NAME.csv-metadata.json says what its columns mean, and how far each Action Unit can be trusted.

    Without a file as --out a/b.mp4.h5 becomes a/b.mp4.csv, a/b.mp4.openface.csv or
    a/b.mp4.parquet. A file of that name is replaced. Exit
    code 0: all were written; 3: some were damaged, and left out.

    An event is a stretch of one track in which an Action Unit's smoothed probability is at least --release times
    its threshold, and which is active at least once: onset, apex, offset, peak and mean (docs/results.md).

    A challenge's files hold the decisions for the main face in every frame of --frames, or of all results. For a
    frame without a face the previous one with a face stands in; before the first one no AU is active. Nothing is
    written unless all of it is there, and the number of each video's frames is known: from --frames, from
    --frame-counts, or from results of whole videos (not of folders of pictures).
    """
    if out is None and any(map(is_mirrored, paths)):
        raise click.UsageError("expected --out for results in object storage: nothing is written there")
    fmt, whole = _choose(fmt, out)
    _check_options(fmt, columns, faces_only, update, frames or frame_counts, validate)
    if min_quality is not None and fmt not in TABLES:
        raise click.UsageError(f"--min-quality is for --format {' or '.join(TABLES)}")
    rule = _event_rule(fmt, release, min_duration)
    folder = None if out is None else Path(out)
    if fmt in CHALLENGES:
        do = _validate if validate else _challenge
        ctx.exit(do(paths, fmt, folder, frames, frame_counts))
    wanted = None if columns is None else [name.strip() for name in columns.split(",")]
    if fmt == "openface" and wanted:
        from autrt.results.tables.openface import OPENFACE_GROUPS

        wanted = [*OPENFACE_GROUPS, *wanted]
    jobs = _jobs(paths, fmt, folder, whole)
    if rule is not None:
        told, bad = _write_events(jobs, fmt, rule)
    else:
        told, bad = _write_tables(
            jobs, fmt, wanted, faces_only=faces_only, min_quality=min_quality, update=update
        )
    click.echo(told + (f" in {folder}" if whole else ""))
    if bad:
        ctx.exit(3)


def _choose(fmt: str | None, out: str | None) -> tuple[str, bool]:
    """Return the format, and whether `out` is one file."""
    suffix = "" if out is None or out.endswith("/") or Path(out).is_dir() else Path(out).suffix.lower()
    whole = suffix in FILES.values()
    if suffix in OTHER_TABLES and fmt not in CHALLENGES:
        raise click.UsageError(
            f"--out {out}: expected a file that ends in {KNOWN_ENDINGS}, or a folder (write {out}/ for a folder)"
        )
    if fmt is None:
        fmt = next((name for name, ending in FILES.items() if ending == suffix), "csv")
    if whole and FILES.get(fmt) != suffix:
        raise click.UsageError(
            f"--out {out} does not go with --format {fmt}: expected "
            + (f"a file that ends in {FILES[fmt]}, or a folder" if fmt in FILES else "a folder")
        )
    if out is not None and not whole and Path(out).exists() and not Path(out).is_dir():
        raise click.UsageError(f"--out {out}: expected a folder, or a file that ends in {KNOWN_ENDINGS}")
    return fmt, whole


def _event_rule(fmt: str, release: float | None, min_duration_s: float | None) -> EventRule | None:
    """Return what counts as an event; None for the formats that hold none."""
    if fmt not in EVENTS:
        if release is not None or min_duration_s is not None:
            raise click.UsageError(f"--release and --min-duration are for --format {' or '.join(EVENTS)}")
        return None
    given = {"release": release, "min_duration_s": min_duration_s}
    return EventRule(**{name: value for name, value in given.items() if value is not None})


def _check_options(
    fmt: str, columns: str | None, faces_only: bool, update: bool, frames: Path | None, validate: bool
) -> None:
    if (frames is not None or validate) and fmt not in CHALLENGES:
        raise click.UsageError(
            f"--frames, --frame-counts and --validate are for --format {' or '.join(CHALLENGES)}"
        )
    if columns is not None and fmt not in ("csv", "parquet") and (fmt, columns) != ("openface", "landmarks"):
        raise click.UsageError(
            "--columns is for --format csv or parquet: the others' columns are fixed (openface: --columns "
            "landmarks fills x_0 … y_4)"
        )
    if faces_only and fmt in CHALLENGES:
        raise click.UsageError("--faces-only is for tables: a challenge's files hold every frame")
    if faces_only and fmt in EVENTS:
        raise click.UsageError("--faces-only is for tables: events are of faces alone")
    if update and fmt in CHALLENGES:
        raise click.UsageError(
            "--update is for tables: a challenge's files are written together or not at all"
        )
    if update and fmt in EVENTS:
        raise click.UsageError(
            "--update is for tables: files of events do not say by which options they were made"
        )


def _challenge(
    paths: tuple[Path, ...], challenge: Challenge, out: Path | None, frames: Path | None, counts: Path | None
) -> int:
    """Write a challenge's files and return the exit code."""
    from autrt.results.challenge.frame_counts import read_frame_counts
    from autrt.results.challenge.frame_list import read_frame_list
    from autrt.results.challenge.submission import make_submission, write_submission
    from autrt.results.find import find_results

    if out is None:
        raise click.UsageError(f"--format {challenge} needs --out, a folder for the submission alone")
    wanted = None if frames is None else read_frame_list(frames)
    known = None if counts is None else read_frame_counts(counts)
    submission = make_submission(challenge, find_results(paths), wanted, known)
    write_submission(submission, out)
    for note in submission.notes:
        click.echo(note)
    rows = sum(text.count("\n") - 1 for text in submission.texts.values())
    click.echo(f"{rows} frames written as {challenge}: {len(submission.texts)} files in {out}")
    return 0


def _validate(
    paths: tuple[Path, ...], challenge: Challenge, out: Path | None, frames: Path | None, counts: Path | None
) -> int:
    """Compare a submission with the challenge's list, print its faults and return the exit code."""
    from autrt.results.challenge.frame_counts import read_frame_counts
    from autrt.results.challenge.frame_list import read_frame_list
    from autrt.results.challenge.submission import validate_submission

    if out is not None or len(paths) != 1:
        raise click.UsageError("--validate takes one folder with a challenge's files, and no --out")
    wanted = None if frames is None else read_frame_list(frames)
    known = None if counts is None else read_frame_counts(counts)
    rows, faults = validate_submission(challenge, paths[0], wanted, known)
    for fault in faults[:SHOWN_FAULTS]:
        click.echo(fault, err=True)
    if faults:
        click.echo(f"{paths[0]}: {len(faults)} faults: no valid submission for {challenge}", err=True)
        return 1
    click.echo(f"{paths[0]}: valid for {challenge}, {rows} rows")
    return 0


def _jobs(paths: Sequence[Path], fmt: str, out: Path | None, whole: bool) -> dict[Path, list[Path]]:
    """Return the files to write: target → its results files."""
    from autrt.results.events.export import ONE_VIDEO
    from autrt.results.find import find_results
    from autrt.results.tables.export import table_paths

    found = find_results(paths)
    every = list(dict.fromkeys(path for path, _ in found))
    jobs = {out: every} if whole and out else table_paths(found, out, ENDINGS[fmt])
    if any(len(of) > 1 for of in jobs.values()) and (fmt == "openface" or fmt in ONE_VIDEO):
        why = "OpenFace has no column for the video" if fmt == "openface" else "it holds one video"
        raise click.UsageError(
            f"--format {fmt}: {len(every)} results in one file could not be told apart, as {why}: "
            "expected a folder as --out"
        )
    return jobs


def _write_tables(
    jobs: Mapping[Path, Sequence[Path]],
    fmt: str,
    columns: Sequence[str] | None,
    *,
    faces_only: bool,
    min_quality: float | None,
    update: bool,
) -> tuple[str, int]:
    """Write the tables and return a line about them, and how many results were damaged."""
    from autrt.results.tables.export import export_table
    from autrt.results.tables.up_to_date import is_up_to_date

    current = {
        target
        for target, of in jobs.items()
        if update and is_up_to_date(fmt, target, of, columns, faces_only=faces_only, min_quality=min_quality)
    }
    written = n_bad = 0
    notes: dict[str, None] = {}
    for target, of in jobs.items():
        if target in current:
            continue
        layout, bad = export_table(fmt, target, of, columns, faces_only=faces_only, min_quality=min_quality)
        n_bad += len(bad)
        for line in bad:
            click.echo(line, err=True)
        if layout is not None:
            written += len(of) - len(bad)
            notes |= dict.fromkeys(_notes(fmt, layout))
    for note in notes:
        click.echo(note, err=True)
    unchanged = f"; {len(current)} up to date" if update else ""
    return f"{written} of {written + n_bad} files written as {fmt}{unchanged}", n_bad


def _write_events(jobs: Mapping[Path, Sequence[Path]], fmt: str, rule: EventRule) -> tuple[str, int]:
    """Write the events and return a line about them, and how many results were damaged."""
    from autrt.results.events.export import export_events

    n_events = n_results = n_bad = 0
    for target, of in jobs.items():
        found, bad = export_events(fmt, target, of, rule)
        n_events += found
        n_results += len(of)
        n_bad += len(bad)
        for line in bad:
            click.echo(line, err=True)
    return f"{n_events} events; {n_results - n_bad} of {n_results} files written as {fmt}", n_bad


def _notes(fmt: str, layout: TableLayout) -> list[str]:
    """Return notes for readers of the table."""
    from autrt.results.model_titles import model_titles
    from autrt.results.tables.openface import aus_without_column

    models = layout.metadata["models"]
    notes: list[str] = []
    if len(models) > 1:
        names = ", ".join(model_titles((model["name"], model["digest"]) for model in models))
        notes.append(f"note: these are results of {len(models)} different models ({names}) in one table")
    if fmt == "openface" and (
        left := aus_without_column(dict.fromkeys(au for m in models for au in m["au_names"]))
    ):
        notes.append(f"note: OpenFace has no column for {', '.join(left)}")
    return notes
