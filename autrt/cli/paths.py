"""Types of options and arguments that name files: local paths and `file://` URLs, no other scheme."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from autrt.errors import UsageError
from autrt.storage.local_path import local_path


class LocalPath(click.Path):
    """A local path, as `Path`; also written as a `file://` URL.

    Args:
        checks: `exists`, `file_okay` and so on of `click.Path`.
    """

    def __init__(self, **checks: Any) -> None:
        super().__init__(path_type=Path, **checks)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; checks the text before pathlib turns two slashes into one."""
        return super().convert(_local(self, os.fspath(value), param, ctx), param, ctx)


class NameOrPath(click.ParamType):
    """A packaged name, or a local path; stays text."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or the path."""
        return _local(self, str(value), param, ctx)


def _local(kind: click.ParamType, text: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
    if not text:
        kind.fail("expected a path, found ''; the current folder is written .", param, ctx)
    try:
        return local_path(text)
    except UsageError as error:
        kind.fail(str(error), param, ctx)
