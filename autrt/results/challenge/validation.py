"""Validation of a submission's files: names, headers, numbers and order of rows, and decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import numpy as np

from autrt.aus import ABAW_AUS
from autrt.errors import UsageError
from autrt.results.challenge.frame_list import LOCATION, WantedFrames, without_suffix
from autrt.storage.escape import escape

Challenge = Literal["abaw-2022", "abaw-2024"]

TEXT_SUFFIX: Final = ".txt"
SINGLE_FILE: Final = "predictions.txt"
"""Name of the single file of 2024."""
DECISIONS: Final = frozenset("01")


@dataclass(frozen=True, slots=True)
class ExpectedText:
    """Form of one file of a submission."""

    header: tuple[str, ...]
    rows: int
    locations: tuple[str, ...] | None = None
    """(rows,) first cells; None: rows hold decisions alone."""

    def faults(self, text: str) -> Iterator[str]:
        """Yield what is wrong with a file's content; each with the line, where it has one."""
        first, *lines = text.removesuffix("\n").split("\n")
        if first != ",".join(self.header):
            yield f":1: expected the header {','.join(self.header)}, found {escape(first[:80])!r}"
        if len(lines) != self.rows:
            yield f": expected {self.rows} rows below the header, one for each frame, found {len(lines)}"
        for i, line in enumerate(lines[: self.rows]):
            cells = line.rsplit(",", len(ABAW_AUS))
            place = [self.locations[i]] if self.locations is not None else []
            decisions = cells[len(place) :]
            if cells[: len(place)] != place or len(decisions) != len(ABAW_AUS):
                expected = ",".join([*place, f"{len(ABAW_AUS)} decisions"])
                yield f":{i + 2}: expected {escape(expected)}, found {escape(line[:80])!r}"
            elif not DECISIONS.issuperset(decisions):
                yield f":{i + 2}: expected 0 or 1 for each AU, found {escape(line[:80])!r}"


def expected_texts(challenge: Challenge, wanted: Sequence[WantedFrames]) -> dict[str, ExpectedText]:
    """Return the form of each file of a submission, by name.

    Raises:
        UsageError: the wanted frames do not suit the challenge's form.
    """
    if challenge == "abaw-2024":
        locations = [""] * sum(len(video.number) for video in wanted)
        for video in wanted:
            for place, location in zip(video.place.tolist(), video.location, strict=True):
                locations[place] = location
        return {SINGLE_FILE: ExpectedText((LOCATION, *ABAW_AUS), len(locations), tuple(locations))}
    out: dict[str, ExpectedText] = {}
    for video in wanted:
        n = len(video.number)
        if not np.array_equal(video.number, np.arange(1, n + 1)):
            raise UsageError(
                f"the text of {escape(video.video)!r} has a row for each frame from the first on: expected its "
                f"frames 1 to {n} in order in the list, found others; use --format abaw-2024 for a choice of frames"
            )
        name = text_name(video)
        if name in out:
            raise UsageError(f"two videos of the list would both become {escape(name)}")
        out[name] = ExpectedText(ABAW_AUS, n)
    return out


def text_name(video: WantedFrames) -> str:
    """Return the name of a video's text in a submission of 2022."""
    return without_suffix(PurePosixPath(video.video).name) + TEXT_SUFFIX


def submission_faults(texts: Mapping[str, str], expected: Mapping[str, ExpectedText]) -> list[str]:
    """Return a line for each fault of a submission: missing and strange files, and faults in files."""
    faults = [f"{escape(name)}: missing" for name in expected if name not in texts]
    faults += [f"{escape(name)}: not part of the submission" for name in texts if name not in expected]
    for name, form in expected.items():
        faults += [f"{escape(name)}{fault}" for fault in form.faults(texts[name])] if name in texts else []
    return faults


def read_submission(folder: Path) -> dict[str, str]:
    """Return the contents of a folder's texts by name.

    Raises:
        UsageError: it is no folder, or holds no text.
    """
    texts = {path.name: path for path in sorted(folder.glob(f"*{TEXT_SUFFIX}"))} if folder.is_dir() else {}
    if not texts:
        raise UsageError(f"{escape(str(folder))}: expected the folder of a submission, found no text in it")
    return {
        name: path.read_bytes().decode("utf-8", "surrogateescape").replace("\r\n", "\n")
        for name, path in texts.items()
    }
