"""Measurement of a group: a warm-up of every case, then repeats in turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tqdm import tqdm

from autrt_bench.types import Group, Measurement, Metric, Turn, Values


def measure(suite: str, group: Group, repeats: int) -> list[Measurement]:
    """Measure every metric of every case of a group, in the order in which they first appear.

    Args:
        suite: the suite's name.
        group: its cases.
        repeats: of each case, unless the group allows fewer.
    """
    found: defaultdict[tuple[str, Metric], list[float]] = defaultdict(list)
    for number, turn in enumerate(_turns(suite, group, repeats)):
        if group.warm_up and number == 0:
            continue
        for one in (turn, group.derive(turn)):
            for name, values in one.items():
                for metric, value in values.items():
                    found[name, metric].append(float(value))
    return [
        Measurement(suite=suite, case=name, metric=metric, values=tuple(values))
        for (name, metric), values in found.items()
    ]


def _turns(suite: str, group: Group, repeats: int) -> Iterator[Turn]:
    """Yield the warm-up, if there is one, and the repeats; with a progress bar on a terminal."""
    turns = min(repeats, group.max_repeats or repeats) + group.warm_up
    with tqdm(total=turns * len(group.cases), desc=suite, leave=False, disable=None) as bar:
        for _ in range(turns):
            turn: dict[str, Values] = {}
            for case in group.cases:
                bar.set_postfix_str(case.name)
                turn[case.name] = case.repeat()
                bar.update()
            yield turn
