"""Errors for users. Each message says what was expected, what was found and what to do."""

from __future__ import annotations


class AutrtError(Exception):
    """Base of all errors for users; the command line prints the message without a traceback. Exit code 1."""

    exit_code = 1


class UsageError(AutrtError):
    """Wrong arguments, configuration, model or input; nothing was changed. Exit code 2."""

    exit_code = 2


class MissingDependencyError(UsageError):
    """A package that is needed, usually of an optional extra, is not installed. Exit code 2."""


class VideoError(AutrtError):
    """A video cannot be read at all; a run continues with the other videos."""


class ResultsError(AutrtError):
    """A results file is missing, incomplete, damaged or of another schema, or a file cannot be written."""


class StorageError(AutrtError):
    """Object storage or a web server refuses, or does not answer; what was finished before stays valid."""


class EngineError(AutrtError):
    """An engine cannot be built, loaded or run on this machine."""


class DeviceError(EngineError):
    """A GPU has no memory left, or does nothing more in this process; no video is to blame."""


class EngineOptionError(EngineError, UsageError):
    """An engine does not support a device, precision or target on this machine. Exit code 2."""


class DiskFullError(AutrtError):
    """The disk is full; files that were finished before stay valid."""
