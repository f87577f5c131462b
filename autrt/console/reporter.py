"""What a run says to whoever shows it."""

from __future__ import annotations

from typing import Any, Protocol


class Reporter(Protocol):
    """Told what happens, in texts fit to print; safe to call from several threads.

    Progress goes by the duration of videos where any is told (`expect`, `advance`), else by their number.
    """

    live: bool
    """Whether anything is shown while the run works."""

    def begin(self, videos: int, frames: int | None = None, *, skipped: int = 0) -> None:
        """So many videos (or other items) are to be done, of about so many frames; others were done before."""
        ...

    def expect(self, name: str, length_s: float | None) -> None:
        """A video that is still to come lasts so many seconds; None: nobody knows."""
        ...

    def advance(
        self, frames: int, name: str = "", position_s: float = 0.0, length_s: float | None = None
    ) -> None:
        """So many more frames are done; no frames and position 0: a video is begun, perhaps anew.

        Args:
            frames: how many more.
            name: of which video.
            position_s: how far that is done, in seconds of it.
            length_s: how long it lasts, where that is known.
        """
        ...

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """One video ended: ok, partial, failed, stopped or skipped, with `reason` and counts among the facts."""
        ...

    def say(self, line: str) -> None:
        """Something worth a line."""
        ...

    def conclude(self, facts: dict[str, Any]) -> None:
        """What else to tell at the end, such as the exit code."""
        ...

    def close(self) -> None:
        """The run is over."""
        ...


class SilentReporter:
    """Says nothing; failures still reach the summary and the exit code."""

    live = False

    def begin(self, videos: int, frames: int | None = None, *, skipped: int = 0) -> None:
        """Nothing."""

    def expect(self, name: str, length_s: float | None) -> None:
        """Nothing."""

    def advance(
        self, frames: int, name: str = "", position_s: float = 0.0, length_s: float | None = None
    ) -> None:
        """Nothing."""

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    def conclude(self, facts: dict[str, Any]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
