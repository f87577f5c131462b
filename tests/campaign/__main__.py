"""Campaigns against the command line, for a stated time; a campaign that was stopped goes on where it was."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests.campaign import damaged, disk, kills, memory
from tests.campaign.clips import write_clips
from tests.campaign.journal import Journal, table

KINDS: Final = ("damage", "kills", "disk", "memory")
_GOALS: Final = {"damage": 2000, "kills": 200, "disk": 50, "memory": 1000}
_SUMMARIES: Final = {
    "damage": damaged.summary, "kills": kills.summary, "disk": disk.summary, "memory": memory.summary,
}  # fmt: skip
_CLIPS: Final = 10


def main(arguments: list[str]) -> int:
    """Run the campaigns, print a table of each, and return 1 if something was wrong, else 0."""
    options = _parser().parse_args(arguments)
    kinds = KINDS if options.kind == "all" else (options.kind,)
    options.out.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for kind in kinds:
        journal = Journal(options.out, kind, options.seed)
        began_s = time.monotonic()
        if not options.table:
            _run(kind, journal, options, began_s + options.seconds / len(kinds))
        bad = [case for case in journal.cases if case["faults"]]
        wrong += len(bad)
        print(
            f"\n{kind}: seed {options.seed}, {len(journal.cases)} cases, {time.monotonic() - began_s:.0f} s\n"
        )
        print(table(_SUMMARIES[kind](journal.cases)))
        for case in bad[:20]:
            print(f"  case {case['case']}: {'; '.join(case['faults'])[:300]}  {case.get('at', '')}")
    return 1 if wrong else 0


def _run(kind: str, journal: Journal, options: Any, deadline_s: float) -> None:
    scratch: Path = options.out / kind
    scratch.mkdir(exist_ok=True)
    most = options.count or _GOALS[kind]
    if kind == "damage":
        campaign = damaged.DamageCampaign(
            scratch=scratch, journal=journal, seed=options.seed, workers=options.workers
        )
        campaign.run(deadline_s, most)
    elif kind == "memory":
        videos = write_clips(scratch / "videos", most)
        memory.MemoryCampaign(videos=videos, scratch=scratch, journal=journal, workers=options.workers).run(
            deadline_s
        )
    else:
        made = kills.KillCampaign if kind == "kills" else disk.DiskCampaign
        videos = write_clips(scratch / "videos", _CLIPS)
        made(videos=videos, scratch=scratch, journal=journal, seed=options.seed, workers=options.workers).run(
            deadline_s, most
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/campaign", description=__doc__)
    parser.add_argument("kind", choices=[*KINDS, "all"])
    parser.add_argument("--seconds", type=float, default=600, help="Time for new cases, shared by all kinds.")
    parser.add_argument(
        "--count", type=int, help="Cases to reach, with those of earlier runs (default: the goal)."
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="Worker processes of each run of the command.")
    parser.add_argument(
        "--out", type=Path, default=Path("campaign"), help="Folder of records and faulty inputs."
    )
    parser.add_argument("--table", action="store_true", help="Print the tables of what was run before.")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
