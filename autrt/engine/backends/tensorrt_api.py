"""The libraries TensorRT and TensorRT-RTX, which share one Python interface, with their logger and monitor."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from autrt.extras import load_part

_LIBRARIES: Final = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
"""Engine → its library."""

log = logging.getLogger(__name__)

OnProgress = Callable[[str], None]
"""Called with a line about the progress of a build."""


def import_library(engine: str) -> Any:
    """Import the library of an engine, tensorrt or tensorrt-rtx.

    Raises:
        MissingDependencyError: it is not installed.
    """
    return load_part("engine", engine, _LIBRARIES)


def make_logger(trt: Any) -> Any:
    """Create an `ILogger` that passes messages to `logging`; it must outlive the objects that use it."""
    levels = {
        trt.ILogger.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.ERROR: logging.ERROR,
        trt.ILogger.WARNING: logging.WARNING,
        trt.ILogger.INFO: logging.INFO,
        trt.ILogger.VERBOSE: logging.DEBUG,
    }

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            level = levels.get(severity, logging.INFO)
            if level >= logging.ERROR:
                self.errors.append(message)  # the caller raises them
                level = logging.INFO
            log.log(level, "%s", message)

    return Logger()


def make_monitor(trt: Any, on_progress: OnProgress) -> Any:
    """Create an `IProgressMonitor` that reports the phases of a build."""

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                on_progress(f"{phase_name} ({num_steps} steps)")

        def step_complete(self, phase_name: str, step: int) -> bool:
            return True

        def phase_finish(self, phase_name: str) -> None:
            pass

    return Monitor()
