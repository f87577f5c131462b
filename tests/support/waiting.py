"""Runs that wait at one of their videos, so that what a test does to them finds them there on any machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.support.injected import injected

_WAITS = """
import sys
if any("autrt" in argument for argument in sys.orig_argv):
    import threading
    import autrt.run.signals as signals
    import autrt.video.open as door
    opened, take, stopping = door.open_decoder, signals.Signals._first, threading.Event()
    def open_decoder(source, **named):
        if source.path.name == {name!r}:
            print("waiting", file=sys.stderr, flush=True)
            stopping.wait()
        return opened(source, **named)
    def first(self, number, frame):
        take(self, number, frame)
        if {until_signal}:
            stopping.set()
    door.open_decoder, signals.Signals._first = open_decoder, first
"""


def waiting_at(folder: Path, name: str, *, until_signal: bool = True) -> dict[str, str]:
    """Return the environment of a run in one process that waits where it opens a video, and says "waiting".

    Args:
        folder: for a module that sees to it.
        name: of the video's file.
        until_signal: whether it goes on once the run has taken its first signal, or never.
    """
    (where := folder / "waiting").mkdir()
    return injected(where, _WAITS.format(name=name, until_signal=until_signal))


def read_until(stream: Iterable[str], beginning: str) -> str:
    """Return the lines of a running command up to one that begins so, or to their end."""
    told = ""
    for line in stream:
        told += line
        if line.startswith(beginning):
            break
    return told
