"""Checks of an installation: each runs one part of the program on data that come with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from autrt.errors import AutrtError, UsageError
from autrt.extras import load_part


class NotCheckedError(AutrtError):
    """A part cannot be checked here, which is no fault."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one check."""

    name: str
    works: bool | None
    """None where it could not be checked."""
    said: str
    """An observation, or the fault and what to do about it."""


_CHECKS: Final = {
    "decode": "autrt.check.decoding:check_decoding",
    "infer": "autrt.check.inference:check_inference",
    "write": "autrt.check.writing:check_writing",
    "detect": "autrt.check.detection:check_detection",
}
"""Name → function that returns an observation; imported when it runs, so that a broken library is a fault too."""

_ADVICE: Final = {
    "decode": "install a tested PyAV: pip install --force-reinstall autrt",
    "infer": "install the tested packages anew: pip install --force-reinstall autrt",
    "write": "see that the temporary folder has room and may be written, or install the tested h5py anew",
    "detect": "run `autrt fetch centerface` again, or install the tested packages anew",
}


def run_checks() -> Iterator[Verdict]:
    """Run every check; an exception is a fault."""
    for name in _CHECKS:
        yield run_check(name)


def run_check(name: str) -> Verdict:
    """Run one check.

    Args:
        name: decode, infer, write or detect.
    """
    try:
        return Verdict(name, True, load_part("check", name, _CHECKS)())
    except NotCheckedError as error:
        return Verdict(name, None, str(error))
    except AutrtError as error:
        return Verdict(name, False, f"{error}; {_ADVICE[name]}")
    except Exception as error:
        return Verdict(name, False, f"{type(error).__name__}: {error}; {_ADVICE[name]}")


def require(name: str) -> None:
    """Refuse to begin a run that would fail for every video.

    Args:
        name: of the check that must not fail.

    Raises:
        UsageError: it fails; says why and what to do.
    """
    verdict = run_check(name)
    if verdict.works is False:
        raise UsageError(f"this installation cannot {name}, so every video would fail: {verdict.said}")
