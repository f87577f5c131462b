"""Names of exchangeable parts → where their code is; it is imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from autrt.errors import MissingDependencyError, UsageError


class Registry(Mapping[str, str]):
    """A table of parts of one kind.

    Args:
        kind: what the parts are, in the singular, for messages ("engine").
        parts: name → "module:attribute", or "module" alone.
        extras: top-level module that a part may miss → the extra of this project that brings it; or a part's own
            name, where one extra brings all that it may miss.
    """

    def __init__(self, kind: str, parts: Mapping[str, str], extras: Mapping[str, str] | None = None) -> None:
        self._kind = kind
        self._parts = dict(parts)
        self.extras = dict(extras or {})

    def __getitem__(self, name: str) -> str:
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def load(self, name: str) -> Any:
        """The part called `name`.

        Raises:
            UsageError: there is none; the message lists those there are.
            MissingDependencyError: its code needs a package that is not installed.
        """
        if name not in self._parts:
            raise UsageError(f"no {self._kind} is called {name!r}; known: {', '.join(self._parts)}")
        module, _, attribute = self._parts[name].partition(":")
        try:
            found = import_module(module)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing in ("", __name__.partition(".")[0]):
                raise
            raise MissingDependencyError(self._advice(name, missing)) from error
        return getattr(found, attribute) if attribute else found

    def _advice(self, name: str, missing: str) -> str:
        extra = self.extras.get(name, self.extras.get(missing))
        bring = f"pip install 'autrt[{extra}]'" if extra else f"pip install {missing}"
        bring += " on a machine with an NVIDIA GPU" if extra == "gpu" else ""
        return f"the {self._kind} {name!r} needs the package {missing}, which is not installed: {bring}"
