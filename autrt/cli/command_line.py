"""The command line as the user typed it."""

from __future__ import annotations

import shlex
import sys


def typed_command() -> str:
    """Return the command line as one text that can be typed again."""
    return shlex.join(["autrt", *sys.argv[1:]])
