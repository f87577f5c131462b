"""Progress of long runs: a display on a terminal, plain lines, JSON lines, a Python function, or nothing."""

from __future__ import annotations

import os
import sys
from typing import Literal

from autrt.console.display import DisplayReporter
from autrt.console.json_lines import JsonReporter
from autrt.console.plain import PlainReporter
from autrt.console.reporter import Reporter, SilentReporter

Mode = Literal["auto", "plain", "json", "none"]

__all__ = ["Mode", "Reporter", "SilentReporter", "make_reporter"]


def make_reporter(mode: Mode) -> Reporter:
    """Return the reporter of a mode; auto is a display on a terminal, and plain lines elsewhere."""
    if mode == "none":
        return SilentReporter()
    if mode == "json":
        return JsonReporter(sys.stdout)
    if mode == "auto" and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return DisplayReporter(sys.stderr)
    return PlainReporter(sys.stderr)
