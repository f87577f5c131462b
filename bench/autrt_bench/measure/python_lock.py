"""Share of time under Python's lock, by a native thread that asks for the lock again and again (gilknocker)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from autrt.extras import importing

_EVERY_US: Final = 1000
"""Time between two questions; each takes the lock for a moment."""
_LAST_QUESTION_S: Final = 0.2
_PATIENCE_US: Final = 30_000_000
"""Time for its thread to end, on a busy machine."""


def lock_share(work: Callable[[], object]) -> float:
    """Do the work and return the share of its time, 0…1, that another thread would have waited for the lock.

    Raises:
        MissingDependencyError: gilknocker is not installed.
    """
    with importing("the share of time under Python's lock"):
        import gilknocker
    library: Any = gilknocker  # it has no type stubs
    knocker = library.KnockKnock(
        polling_interval_micros=_EVERY_US,
        sampling_interval_micros=10 * _EVERY_US,
        sleeping_interval_micros=_EVERY_US,
        timeout_micros=_PATIENCE_US,
    )
    knocker.start()
    try:
        work()
        return float(knocker.contention_metric)
    finally:
        knocker.stop()
        time.sleep(_LAST_QUESTION_S)  # its thread may ask once more, which aborts a program that ends
