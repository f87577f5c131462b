"""The interface through which a run reports its progress."""

from __future__ import annotations

from typing import Any, Protocol

from autrt.console.progress import VideoProgress


class Reporter(Protocol):
    """Receives the events of a run, in texts fit to print. Safe to call from several threads.

    Progress is measured by the duration of videos where any is known (`expect`, `advance`), else by their number.
    """

    live: bool
    """True if anything is shown during the run."""

    def begin(self, videos: int, frames: int | None = None, *, skipped: int = 0) -> None:
        """Start a run.

        Args:
            videos: videos (or other items) to do.
            frames: about how many frames they have, where that is known.
            skipped: videos that were done before.
        """
        ...

    def expect(self, name: str, length_s: float | None) -> None:
        """Note the length of a video that is still to come; None where it is unknown."""
        ...

    def advance(self, done: VideoProgress, name: str = "") -> None:
        """Count frames that are done; no frames at position 0 mean that a video is begun, perhaps anew.

        Args:
            done: since the last call.
            name: of the video; empty where frames alone are counted.
        """
        ...

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """Note the end of a video.

        Args:
            name: of the video.
            status: ok, partial, failed, stopped or skipped.
            facts: `reason`, and counts such as `frames`.
        """
        ...

    def say(self, line: str) -> None:
        """Show a line."""
        ...

    def conclude(self, facts: dict[str, Any]) -> None:
        """Keep facts to be shown at the end, such as the exit code."""
        ...

    def close(self) -> None:
        """End the run."""
        ...


class SilentReporter:
    """A `Reporter` that shows nothing; failures still reach the summary and the exit code."""

    live = False

    def begin(self, videos: int, frames: int | None = None, *, skipped: int = 0) -> None:
        """Do nothing."""

    def expect(self, name: str, length_s: float | None) -> None:
        """Do nothing."""

    def advance(self, done: VideoProgress, name: str = "") -> None:
        """Do nothing."""

    def ended(self, name: str, status: str, facts: dict[str, Any]) -> None:
        """Do nothing."""

    def say(self, line: str) -> None:
        """Do nothing."""

    def conclude(self, facts: dict[str, Any]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
