"""The newest picture of a camera: one that comes while another is recognised replaces what waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Self

from autrt.live.camera import Camera, Shot


class NewestShot:
    """Reads a camera in a thread of its own and yields the newest picture, so that no delay builds up.

    A context manager; leaving it ends the thread after the next picture.
    """

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._changed = threading.Condition()
        self._waiting: Shot | None = None
        self._ended = self._stopped = False
        self._error: Exception | None = None
        self.left_out = 0
        """Pictures that were replaced before they could be recognised."""
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the iteration; any thread may call it, and a signal handler."""
        self._stopped = True

    def __iter__(self) -> Iterator[Shot]:
        """Yield the newest picture each time; ends with the camera.

        Raises:
            VideoError: the camera broke off.
        """
        while not self._stopped:
            with self._changed:
                # A signal handler cannot take the lock, so `stop` is looked for.
                if self._waiting is None and not self._ended:
                    self._changed.wait(0.1)
                    continue
                shot, self._waiting = self._waiting, None
                if shot is None and self._error is not None:
                    raise self._error
            if shot is None:
                return
            yield shot

    def _read(self) -> None:
        try:
            for shot in self._camera.shots:
                if self._stopped:
                    break
                with self._changed:
                    self.left_out += self._waiting is not None
                    self._waiting = shot
                    self._changed.notify()
        except Exception as error:  # goes to the thread that recognises
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()
