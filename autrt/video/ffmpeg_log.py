"""FFmpeg's messages about one file, caught while it works on that file.

PyAV hands a message to the thread in which FFmpeg wrote it. A decoder calls FFmpeg from one thread at a time and
has it start none of its own, so what is written during a call is about the decoder's own file, however many files
are decoded at once. PyAV's callback takes the interpreter's lock. That cannot deadlock here: PyAV gives the lock up
while FFmpeg reads or decodes, and no call of ours waits for a thread of FFmpeg's.
"""

from __future__ import annotations

import logging
from threading import RLock
from types import TracebackType
from typing import Final, NamedTuple
from weakref import finalize

import av.logging

from autrt.video.pyav_compat import LOG_IS_CHEAP

_SILENT: Final = logging.CRITICAL + 1
_LOGGER: Final = logging.getLogger("libav")
"""The logger to which PyAV passes messages that nobody catches."""


class Message(NamedTuple):
    """A message of FFmpeg's, an error or worse."""

    source: str
    """Name of the demuxer, decoder or other part that wrote it."""
    text: str


class FFmpegLog:
    """Catches FFmpeg's errors about one file: `with log:` around each call into FFmpeg, then `log.take()`.

    It catches nothing with releases of PyAV before 17.1, where each of FFmpeg's messages, down to those for its own
    developers, would wait for the interpreter's lock.
    """

    def __init__(self) -> None:
        """Turn the log on; `close`, or the end of this object, turns it off."""
        self._capture: av.logging.Capture | None = None
        self._messages: list[Message] = []
        if LOG_IS_CHEAP:
            _switch.turn_on()
            self._end = finalize(self, _switch.turn_off)

    def __enter__(self) -> None:
        if LOG_IS_CHEAP:
            self._capture = capture = av.logging.Capture()
            capture.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._capture is not None:
            self._capture.__exit__(kind, None, None)
            self._collect(self._capture)
            self._capture = None

    def take(self) -> list[Message]:
        """Return the messages since the last call, and forget them."""
        if self._capture is not None:
            self._collect(self._capture)
        if not self._messages:
            return []
        taken, self._messages = self._messages, []
        return taken

    def put_back(self, messages: list[Message]) -> None:
        """Have the next call of `take` return messages that were taken too early, after what it returns besides."""
        self._messages += messages

    def _collect(self, capture: av.logging.Capture) -> None:
        if capture.logs:
            self._messages += [
                Message(name, text) for level, name, text in capture.logs if level <= av.logging.ERROR
            ]
            capture.logs.clear()

    def close(self) -> None:
        """Let go of the log."""
        if LOG_IS_CHEAP:
            self._end()


class _Switch:
    """Turns PyAV's log on for the process while a file is open, and restores it afterwards.

    Where the log was off, messages about files of others stay unseen.
    """

    def __init__(self) -> None:
        self._lock = RLock()  # an object's end may come in the middle of a call
        self._users = 0
        self._before: tuple[int | None, bool, int] = None, True, logging.WARNING

    def turn_on(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                level = av.logging.get_level()
                self._before = level, av.logging.get_skip_repeated(), _LOGGER.level
                if level is None:
                    _LOGGER.setLevel(_SILENT)
                av.logging.set_skip_repeated(False)  # equal messages about two files are two messages
                av.logging.set_level(av.logging.ERROR if level is None else max(level, av.logging.ERROR))

    def turn_off(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                level, skips, of_logger = self._before
                av.logging.set_level(level)
                av.logging.set_skip_repeated(skips)
                _LOGGER.setLevel(of_logger)


_switch: Final = _Switch()
