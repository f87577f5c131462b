"""TensorRT and TensorRT-RTX: two libraries of one Python interface, told apart by the engine's name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from autrt.extras import load_part

_LIBRARIES: Final = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
"""Engine → its library."""

log = logging.getLogger(__name__)

Tell = Callable[[str], None]
"""Takes a line about how a build gets on."""


def import_library(engine: str) -> Any:
    """Import the library of an engine, tensorrt or tensorrt-rtx.

    Raises:
        MissingDependencyError: it is not installed.
    """
    return load_part("engine", engine, _LIBRARIES)


def make_logger(trt: Any) -> Any:
    """An `ILogger` that hands the library's messages to `logging`; keep it as long as what was made with it."""
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
                self.errors.append(message)  # the caller makes an error of them
                level = logging.INFO
            log.log(level, "%s", message)

    return Logger()


def make_monitor(trt: Any, tell: Tell) -> Any:
    """An `IProgressMonitor` that tells of the phases of a build."""

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                tell(f"{phase_name} ({num_steps} steps)")

        def step_complete(self, phase_name: str, step: int) -> bool:
            return True

        def phase_finish(self, phase_name: str) -> None:
            pass

    return Monitor()
