"""`autrt export`: results files as CSV or Parquet, or as the files that the ABAW challenge takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autrt.cli.paths import LocalPath, NameOrPath

if TYPE_CHECKING:
    from autrt.results.challenge.validation import Challenge
    from autrt.results.tables.layout import TableLayout

TABLES = {"csv": ".csv", "openface": ".csv", "parquet": ".parquet"}
"""Format → ending of a file that is named by --out."""

ENDINGS = {**TABLES, "openface": ".openface.csv"}
"""Format → ending of a table of each video: those of two formats may lie side by side."""

CHALLENGES = ("abaw-2022", "abaw-2024")

SHOWN_FAULTS = 20

OTHER_TABLES = frozenset({".tsv", ".txt", ".xlsx", ".xls", ".json", ".feather", ".gz", ".pq"})
"""Endings of other kinds of tables, which are refused."""


@click.command("export", short_help="Write results as CSV, Parquet, or the ABAW challenge's files.")
@click.argument("paths", nargs=-1, required=True, type=LocalPath())
@click.option(
    "--format",
    "fmt",
    type=click.Choice([*TABLES, *CHALLENGES]),
    help="csv; parquet: all columns; openface: exactly OpenFace 2.2's columns; abaw-2022: a text for each video; "
    "abaw-2024: one file.  [default: by --out; csv]",
)
@click.option(
    "--out",
    type=NameOrPath(),  # as text: a slash at the end names a folder
    help="A file (one.csv, one.parquet) for one table of all videos, or a folder for a table of each; beside the "
    "results if left out (not for a challenge).",
)
@click.option(
    "--columns",
    metavar="A,B,…",
    help="What is in the table beside video, frame, time_s and track: score, box, landmarks, source, logit, "
    "probability, smoothed, active, member_logit, or one column such as AU12_active.  "
    "[default: csv: score,box,smoothed,active; parquet: all but member_logit]",
)
@click.option("--faces-only", is_flag=True, help="No rows for frames without a face.")
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
    faces_only: bool,
    update: bool,
    frames: Path | None,
    frame_counts: Path | None,
    validate: bool,
) -> None:
    """Write the results files in PATHS (files, or folders of .h5 files) as tables.

    A row per face in a frame, and one without values for a frame without a face. `video`, `frame` (from 0),
    `time_s` and `track` come first; names are the same in CSV, Parquet and data frames (docs/results.md). Beside a
    CSV file NAME.csv-metadata.json says what its columns mean, and how far each Action Unit can be trusted.

    Without a file as --out a/b.mp4.h5 becomes a/b.mp4.csv, a/b.mp4.openface.csv or
    a/b.mp4.parquet. A file of that name is replaced. Exit
    code 0: all were written; 3: some were damaged, and left out.

    A challenge's files hold the decisions for the main face in every frame of --frames, or of all results. For a
    frame without a face the previous one with a face stands in; before the first one no AU is active. Nothing is
    written unless all of it is there, and the number of each video's frames is known: from --frames, from
    --frame-counts, or from results of whole videos (not of folders of pictures).
    """
    fmt, whole = _choose(fmt, out)
    _check_options(fmt, columns, faces_only, update, frames or frame_counts, validate)
    folder = None if out is None else Path(out)
    if fmt in CHALLENGES:
        do = _validate if validate else _challenge
        ctx.exit(do(paths, fmt, folder, frames, frame_counts))
    wanted = None if columns is None else [name.strip() for name in columns.split(",")]
    if code := _tables(paths, fmt, folder, whole, wanted, faces_only, update):
        ctx.exit(code)


def _choose(fmt: str | None, out: str | None) -> tuple[str, bool]:
    """Return the format, and whether `out` is one file."""
    suffix = "" if out is None or out.endswith("/") or Path(out).is_dir() else Path(out).suffix.lower()
    whole = suffix in TABLES.values()
    if suffix in OTHER_TABLES and fmt not in CHALLENGES:
        raise click.UsageError(
            f"--out {out}: expected a file that ends in .csv or .parquet, or a folder (write {out}/ for a folder)"
        )
    if fmt is None:
        fmt = "parquet" if suffix == TABLES["parquet"] else "csv"
    if whole and TABLES.get(fmt) != suffix:
        raise click.UsageError(
            f"--out {out} does not go with --format {fmt}: expected "
            + (f"a file that ends in {TABLES[fmt]}, or a folder" if fmt in TABLES else "a folder")
        )
    if out is not None and not whole and Path(out).exists() and not Path(out).is_dir():
        raise click.UsageError(f"--out {out}: expected a folder, or a file that ends in .csv or .parquet")
    return fmt, whole


def _check_options(
    fmt: str, columns: str | None, faces_only: bool, update: bool, frames: Path | None, validate: bool
) -> None:
    if (frames is not None or validate) and fmt not in CHALLENGES:
        raise click.UsageError(
            f"--frames, --frame-counts and --validate are for --format {' or '.join(CHALLENGES)}"
        )
    if columns is not None and fmt not in ("csv", "parquet"):
        raise click.UsageError("--columns is for --format csv or parquet: the others' columns are fixed")
    if faces_only and fmt in CHALLENGES:
        raise click.UsageError("--faces-only is for tables: a challenge's files hold every frame")
    if update and fmt in CHALLENGES:
        raise click.UsageError(
            "--update is for tables: a challenge's files are written together or not at all"
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


def _tables(
    paths: Sequence[Path],
    fmt: str,
    out: Path | None,
    whole: bool,
    columns: Sequence[str] | None,
    faces_only: bool,
    update: bool,
) -> int:
    """Write the tables and return the exit code."""
    from autrt.results.find import find_results
    from autrt.results.tables.export import export_table, table_paths
    from autrt.results.tables.up_to_date import is_up_to_date

    found = find_results(paths)
    paths = list(dict.fromkeys(path for path, _ in found))
    jobs = {out: paths} if whole and out else table_paths(found, out, ENDINGS[fmt])
    if fmt == "openface" and any(len(of) > 1 for of in jobs.values()):
        raise click.UsageError(
            f"--format openface: {len(paths)} results in one file could not be told apart, as OpenFace has no "
            "column for the video: expected a folder as --out"
        )
    current = {
        target
        for target, of in jobs.items()
        if update and is_up_to_date(fmt, target, of, columns, faces_only=faces_only)
    }
    written = n_bad = 0
    notes: dict[str, None] = {}
    for target, of in jobs.items():
        if target in current:
            continue
        layout, bad = export_table(fmt, target, of, columns, faces_only=faces_only)
        n_bad += len(bad)
        for line in bad:
            click.echo(line, err=True)
        if layout is not None:
            written += len(of) - len(bad)
            notes |= dict.fromkeys(_notes(fmt, layout))
    for note in notes:
        click.echo(note, err=True)
    where = f" in {out}" if whole else ""
    unchanged = f"; {len(current)} up to date" if update else ""
    click.echo(f"{written} of {written + n_bad} files written as {fmt}{where}{unchanged}")
    return 3 if n_bad else 0


def _notes(fmt: str, layout: TableLayout) -> list[str]:
    """Return notes for readers of the table."""
    from autrt.results.tables.openface import aus_without_column

    models = layout.metadata["models"]
    notes: list[str] = []
    if len(models) > 1:
        names = ", ".join(dict.fromkeys(model["name"] for model in models))
        notes.append(f"note: these are results of {len(models)} different models ({names}) in one table")
    if fmt == "openface" and (
        left := aus_without_column(dict.fromkeys(au for m in models for au in m["au_names"]))
    ):
        notes.append(f"note: OpenFace has no column for {', '.join(left)}")
    return notes
