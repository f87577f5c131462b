"""Names for the project's scripts: `nox --list` shows them, `nox -s tests` runs one, arguments go behind `--`.

The scripts do the work and can be called without nox; each makes or uses its own environment.
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "tests"]


@nox.session
def setup(session: nox.Session) -> None:
    """Make the development environment."""
    session.run("scripts/setup", "dev", external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests but the slow ones; arguments go to pytest."""
    session.run("scripts/test", *session.posargs, external=True)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the slow tests; arguments go to pytest."""
    session.run("scripts/test-slow", *session.posargs, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, types and the direction of imports."""
    session.run("scripts/lint", external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site; `-- serve` serves it."""
    session.run("scripts/docs", *session.posargs, external=True)


@nox.session
def demo(session: nox.Session) -> None:
    """Run the main job on public clips; arguments go to `autrt infer`."""
    session.run("scripts/demo", *session.posargs, external=True)


@nox.session
def versions(session: nox.Session) -> None:
    """Test the oldest and newest dependencies on every Python found here."""
    session.run("scripts/test-versions", *session.posargs, external=True)


@nox.session
def gpu(session: nox.Session) -> None:
    """Try everything that needs an NVIDIA GPU."""
    session.run("scripts/gpu-check", *session.posargs, external=True)


@nox.session
def ci(session: nox.Session) -> None:
    """Run all that must pass before a change lands, in fresh environments."""
    session.run(".ci/run", external=True)
