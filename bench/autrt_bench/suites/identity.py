"""Changes of person that end a track, and tracks of one person that are split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import cycle, islice, permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from autrt.api import Recogniser, open_results
from autrt.download.fetch import fetch
from autrt.errors import UsageError
from autrt.types import F32, I32, I64, U8
from autrt_bench.inputs.person_films import (
    HEIGHT,
    WIDTH,
    Kind,
    Person,
    disturbed,
    film_of_two,
    play,
    read_person,
    write_film,
)
from autrt_bench.measure.infer_command import infer_into
from autrt_bench.suites.quality import DEMOS
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Values

LENGTHS: Final[dict[str, tuple[Kind, Sequence[int]]]] = {
    "cut": ("cut", (0,)),
    "cut before one backdrop": ("same backdrop", (0,)),
    "dissolve of 1 to 3 frames": ("dissolve", (1, 2, 3)),
    "dissolve of 4 to 12 frames": ("dissolve", range(4, 13)),
    "dissolve of 13 to 30 frames": ("dissolve", range(13, 31)),
    "dip to black of 1 to 8 frames": ("dip", range(1, 9)),
    "dip to black of 9 to 30 frames": ("dip", range(9, 31)),
}
"""Name → kind of change, and its lengths in frames."""

SIDE_FRAMES: Final = 45
"""Frames of each person before and after a change."""
FILMS: Final = 60
"""Films of each kind of change."""
DARK_SHARE: Final = 0.3
DARKNESS: Final = 0.15
"""Share of the films that are dark, and how much light they have."""
ONE_PERSON_S: Final = 300
RATE: Final = 30
NEAR_PX: Final = 90.0
"""Distance from the film's middle up to which a face is the person's; a backdrop may have faces too."""

FOUND: Final = Metric(name="changes found", unit="%", better="higher", exact=True)
CHANGES: Final = Metric(name="changes", unit="", exact=True)
EXTRA: Final = Metric(name="further tracks", unit="", better="lower", exact=True)
SPLITS: Final = Metric(name="false splits", unit="", better="lower", exact=True)
HOURS: Final = Metric(name="length", unit="h", exact=True)
BOUND: Final = Metric(name="false splits an hour, upper 95 % bound", unit="", better="lower", exact=True)

_Film = tuple[str, int, int]
"""Name, first frame of the change, and its length."""


def identity(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure a case for each kind of change, and one of single people.

    `--clip` names pictures and clips, or folders of them, that show one person each.
    """
    paths = [path for clip in settings.clips for path in _files(clip)]
    people = _people(paths or [fetch(name, report=settings.log) for name in DEMOS])
    if len(people) < 2:
        raise UsageError(f"identity: expected pictures or clips of two people or more, found {len(people)}")
    settings.log(f"{len(people)} people")
    n = 6 if settings.quick else FILMS
    cases = [
        Case(name, partial(_changes, people, kind, lengths, n, settings))
        for name, (kind, lengths) in LENGTHS.items()
    ]
    cases.append(
        Case("one person", partial(_one_person, people, 20 if settings.quick else ONE_PERSON_S, settings))
    )
    yield Group(cases=cases, max_repeats=1, warm_up=False)


def _changes(
    people: Sequence[Person], kind: Kind, lengths: Sequence[int], n: int, settings: BenchSettings
) -> Values:
    rng = np.random.default_rng(len(kind) + len(lengths))
    pairs = list(permutations(range(len(people)), 2))
    rng.shuffle(pairs)
    with TemporaryDirectory(prefix="autrt-bench-") as folder:
        films: list[_Film] = []
        for number, (a, b) in enumerate(islice(cycle(pairs), n)):
            length = int(rng.choice(lengths))
            total = 2 * SIDE_FRAMES + length
            at = SIDE_FRAMES + int(rng.integers(-6, 7))
            before, after = (list(islice(play(people[i], rng), total + 6)) for i in (a, b))
            film = film_of_two(before, after, at, length, kind)
            if rng.random() < DARK_SHARE:
                film = [(picture * DARKNESS).astype(np.uint8) for picture in film]
            films.append((f"{number:04d}.mp4", at, length))
            write_film(Path(folder) / "films" / films[-1][0], film, RATE)
        infer_into(Path(folder) / "out", [Path(folder) / "films"], settings)
        outcomes = [_outcome(Path(folder) / "out", film) for film in films]
    seen = [(film, *outcome) for film, outcome in zip(films, outcomes, strict=True) if outcome is not None]
    for film, found, _ in seen:
        if not found:
            settings.log(f"missed: {kind}, {film}")
    if not seen:
        return {CHANGES: 0}
    return {
        FOUND: 100 * float(np.mean([found for _, found, _ in seen])),
        CHANGES: len(seen),
        EXTRA: sum(extra for _, _, extra in seen),
    }


def _outcome(out: Path, film: _Film) -> tuple[bool, int] | None:
    """Return whether the people of a film share no track, and how many tracks it has beyond two.

    None if the face of one of them is never detected, as some in the dark are not.
    """
    name, at, length = film
    frame, track = _rows_in_the_middle(out / f"{name}.h5")
    before, after = set(track[frame < at].tolist()), set(track[frame >= at + length].tolist())
    if not before or not after:
        return None
    return not before & after, max(0, len(set(track.tolist())) - 2)


def _one_person(people: Sequence[Person], length_s: int, settings: BenchSettings) -> Values:
    """Count the tracks beyond the first in a long, disturbed film of each person."""
    rng = np.random.default_rng(0)
    splits = 0
    with TemporaryDirectory(prefix="autrt-bench-") as folder:
        names = [f"{number:04d}.mp4" for number in range(len(people))]
        for name, person in zip(names, people, strict=True):
            film = disturbed(islice(play(person, rng), length_s * RATE), rng)
            write_film(Path(folder) / "films" / name, film, RATE)
        infer_into(Path(folder) / "out", [Path(folder) / "films"], settings)
        for name, person in zip(names, people, strict=True):
            _, track = _rows_in_the_middle(Path(folder) / "out" / f"{name}.h5")
            splits += (more := len(set(track.tolist())) - 1)
            if more:
                settings.log(f"split: {person.name}, {more} times")
    hours = len(people) * length_s / 3600
    return {SPLITS: splits, HOURS: hours, BOUND: poisson_bound(splits) / hours}


def poisson_bound(count: int, share: float = 0.95) -> float:
    """Return the rate above which a count this small has a probability of 1 − `share` at most (Poisson)."""
    from scipy.stats import chi2

    return float(chi2.ppf(share, 2 * (count + 1))) / 2


def _rows_in_the_middle(path: Path) -> tuple[I64, I32]:
    """Return frame and track of the faces near the film's middle."""
    with open_results(path) as results:
        box = results.faces["box"]
        middle = (box[:, :2] + box[:, 2:]) / 2 - [WIDTH / 2, HEIGHT / 2]
        near = np.linalg.norm(middle, axis=1) < NEAR_PX
        return results.faces["frame"][near], results.faces["track"][near]


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def _people(paths: Sequence[Path]) -> list[Person]:
    with ExitStack() as stack:
        recogniser = stack.enter_context(Recogniser())
        return [person for path in paths if (person := read_person(path, partial(_landmarks, recogniser)))]


def _landmarks(recogniser: Recogniser, picture: U8) -> F32 | None:
    """Return the landmarks of the largest face."""
    faces = recogniser(picture)
    if not len(faces):
        return None
    size = faces.box[:, 2:] - faces.box[:, :2]
    return faces.landmarks[int(np.argmax(size.prod(1)))]
