"""The message of a run that is interrupted before its first video has begun."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import click


@contextmanager
def explain_interrupt() -> Generator[None]:
    """Say on Ctrl-C that no video was begun; once videos are in flight, the run itself handles signals."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(
            "interrupted before the first video was begun: no results were written or changed", err=True
        )
        raise click.exceptions.Exit(130) from None
