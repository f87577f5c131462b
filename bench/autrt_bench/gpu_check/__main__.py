"""`python -m autrt_bench.gpu_check`: run all checks and print one table; exit code 1 if a check failed."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import click

from autrt.storage.atomic_file import replacing
from autrt_bench.gpu_check.checks import TIERS, Row, as_json, table
from autrt_bench.gpu_check.plan import all_checks
from autrt_bench.gpu_check.run_checks import USUAL_S, run_checks
from autrt_bench.reporting.fingerprint import fingerprint

_LIST = ", ".join(f"{number} {name}" for number, name in TIERS.items())


@click.command()
@click.option(
    "--tier",
    "tiers",
    multiple=True,
    type=click.IntRange(min(TIERS), max(TIERS)),
    metavar="N",
    help=f"This tier alone; may be repeated: {_LIST}.",
)
@click.option(
    "--device", default="cuda:0", show_default=True, help="cuda:N; cpu rehearses what runs without a GPU."
)
@click.option(
    "--minutes",
    default=USUAL_S / 60,
    show_default=True,
    type=click.FloatRange(0.1),
    help="Time for all of it.",
)
@click.option(
    "--json", "target", type=click.Path(path_type=Path, dir_okay=False), help="Also write the rows here."
)
def main(tiers: tuple[int, ...], device: str, minutes: float, target: Path | None) -> None:
    """Run all checks that need a GPU, tier by tier, with what is installed."""
    start_s = time.monotonic()
    facts = fingerprint()
    rows: list[Row] = []
    # A process that was just ended may still have been writing.
    with tempfile.TemporaryDirectory(prefix="autrt-gpu-check-", ignore_cleanup_errors=True) as folder:
        checks = [check for check in all_checks(device, Path(folder)) if not tiers or check.tier in tiers]
        for row in run_checks(checks, 60 * minutes):
            rows.append(row)
            click.echo(f"{row.tier}: {row.check}: {row.status} {row.note}".rstrip(), err=True)
    seconds = time.monotonic() - start_s
    click.echo(table(rows))
    counts = {status: sum(row.status == status for row in rows) for status in ("ok", "failed", "skipped")}
    click.echo(
        f"\n{', '.join(f'{n} {status}' for status, n in counts.items())} in {seconds:.0f} s on {device}"
    )
    if target is not None:
        with replacing(target) as part:
            part.write_text(json.dumps(as_json(rows, facts, seconds), indent=1, ensure_ascii=False) + "\n")
    sys.exit(int(counts["failed"] > 0))


if __name__ == "__main__":
    main()
