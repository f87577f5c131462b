"""The errors a user can meet. Each says what was expected, what was found and what to do."""

from __future__ import annotations


class AutrtError(Exception):
    """A failure whose message is meant for the user; the command line prints it without a traceback."""

    exit_code = 1


class UsageError(AutrtError):
    """Wrong arguments, configuration, model or input; nothing was touched. Exit code 2."""

    exit_code = 2


class MissingDependencyError(UsageError):
    """A package of an optional extra is needed and not installed."""


class VideoError(AutrtError):
    """One video cannot be read at all. The run goes on with the others."""


class ResultsError(AutrtError):
    """A results file is missing, incomplete, damaged or of another schema."""


class EngineError(AutrtError):
    """An engine cannot be built, loaded or run on this machine."""


class EngineOptionError(EngineError, UsageError):
    """An engine was asked for a device, a precision or a target that it does not have here. Exit code 2."""


class DiskFullError(AutrtError):
    """The disk filled up while results were written; what was finished stays valid."""
