"""Types of options and arguments that name files: local paths, `file://` URLs and, for some, object storage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from autrt.errors import UsageError
from autrt.storage.local_path import local_path
from autrt.storage.remote_url import Location, RemoteUrl, location


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


class AnyPlace(LocalPath):
    """A local path, or a URL of object storage or of a web server."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a `Location`."""
        text = os.fspath(value) if not isinstance(value, RemoteUrl) else value.url
        if isinstance(found := _placed(self, text, param, ctx), RemoteUrl):
            return found
        return super().convert(text, param, ctx)


class Results(LocalPath):
    """A results file, or a folder of some; those in object storage are copied to the user's cache first.

    Args:
        checks: as for `LocalPath`.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path on this machine."""
        if isinstance(value, str) and isinstance(url := _placed(self, value, param, ctx), RemoteUrl):
            from autrt.cloud.mirror import mirrored
            from autrt.results.schema import SUFFIX

            assert ctx is not None
            value = ctx.with_resource(mirrored(url, SUFFIX))
        return super().convert(value, param, ctx)


class OutputFile(LocalPath):
    """A file to write, which is never one of those that other commands read.

    Args:
        endings: those that its name may have, such as `.html`; without any, all but that of results (`.h5`).
    """

    def __init__(self, *endings: str) -> None:
        super().__init__(dir_okay=False)
        self._endings = endings

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; refuses other endings, by which a slip would replace a video or results."""
        from autrt.results.schema import SUFFIX

        path = super().convert(value, param, ctx)
        ending = Path(path).suffix.lower()
        if self._endings and ending not in self._endings:
            self.fail(f"{path}: expected a file that ends in {' or '.join(self._endings)}", param, ctx)
        if ending == SUFFIX:
            self.fail(f"{path}: expected another ending than {SUFFIX}, that of results", param, ctx)
        return path


class NameOrPath(click.ParamType):
    """A packaged name, or a local path; stays text."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or the path."""
        return _local(self, str(value), param, ctx)


def _local(kind: click.ParamType, text: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
    _require_text(kind, text, param, ctx)
    try:
        return local_path(text)
    except UsageError as error:
        kind.fail(str(error), param, ctx)


def _placed(
    kind: click.ParamType, text: str, param: click.Parameter | None, ctx: click.Context | None
) -> Location:
    _require_text(kind, text, param, ctx)
    try:
        return location(text)
    except UsageError as error:
        kind.fail(str(error), param, ctx)


def _require_text(
    kind: click.ParamType, text: str, param: click.Parameter | None, ctx: click.Context | None
) -> None:
    if not text:
        kind.fail("expected a path, found ''; the current folder is written .", param, ctx)
