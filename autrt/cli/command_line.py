"""The command line as the user typed it."""

from __future__ import annotations

import shlex
import sys

from autrt.storage.remote_url import redacted


def typed_command() -> str:
    """Return the command line as one text that can be typed again, without the signatures that URLs may hold."""
    return shlex.join(["autrt", *map(redacted, sys.argv[1:])])
