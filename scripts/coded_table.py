"""A table of coded pictures with a person for each: `python scripts/coded_table.py TABLE OUT …`.

People are told by the column `original`, the name of the file (and of the frame, after #) that a picture was made
from, without a number at its end: `Ann_Lee_0002.jpg` is of Ann_Lee. Where more than MOST pictures differ in such a
number, it tells people apart. A table with a column `person` keeps it. Rows whose `source` starts with one that
--without names are left out, and with --only so are the codes of all other AUs.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter
from pathlib import Path, PurePosixPath

COUNTED = re.compile(r"(.+?)[-_. ]+\d+", re.ASCII)
MOST = 40


def rewrite(table: Path, out: Path, without: list[str], only: list[str]) -> int:
    """Write the table; return its number of rows."""
    with table.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row.get("source", "").startswith(tuple(without))]
    likely = [person_of(row) for row in rows]
    count = Counter(likely)
    for row, name in zip(rows, likely, strict=True):
        person = name if count[name] <= MOST else origin(row).stem
        row["person"] = row.get("person") or f"{row.get('source', '')}: {person}"
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as file:
        kept = [name for name in rows[0] if not only or not name.startswith("AU") or name in only]
        writer = csv.DictWriter(file, kept, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def origin(row: dict[str, str]) -> PurePosixPath:
    """The file that a picture was made from."""
    return PurePosixPath((row.get("original") or row["file"]).split("#")[0])


def person_of(row: dict[str, str]) -> str:
    """Its name without a number at the end."""
    stem = origin(row).stem
    match = COUNTED.fullmatch(stem)
    return match[1] if match else stem


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--without", action="append", default=[], metavar="SOURCE")
    parser.add_argument("--only", action="append", default=[], metavar="AU")
    given = parser.parse_args()
    print(f"{rewrite(given.table, given.out, given.without, given.only)} rows")
