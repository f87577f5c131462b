"""Networks by the name that a model folder gives. The table needs no torch; building a network does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from autrt.errors import UsageError
from autrt.plugins import ARCHITECTURES as PLUGINS
from autrt.plugins import plugins
from autrt.registry import Registry

if TYPE_CHECKING:
    from torch import nn

ARCHITECTURES: Final = Registry(
    "architecture",
    {"student": "autrt.model.student:build", "full": "autrt.model.full:build"},
    extras={"torch": "train"},
)
"""Name → builder: takes its configuration as a mapping, gives a network that keeps it as `config`."""


def build_network(architecture: Mapping[str, Any]) -> nn.Module:
    """The network that an architecture describes, newly initialised.

    Args:
        architecture: {"name": a key of `ARCHITECTURES`, and fields of its configuration}; what is left out
            keeps its default.

    Raises:
        UsageError: no such name, an unknown field or a bad value.
        MissingDependencyError: torch is not installed.
    """
    settings = dict(architecture)
    name = str(settings.pop("name", ""))
    return Registry("architecture", _every(), ARCHITECTURES.extras).load(name)(settings)


def architecture_of(network: nn.Module) -> dict[str, Any]:
    """The architecture that builds a network like this one, as plain JSON values.

    Raises:
        UsageError: it is none of `ARCHITECTURES`.
    """
    module = type(network).__module__
    for name, where in _every().items():
        if where.partition(":")[0] == module:
            config: Any = network.config
            return {"name": name, **{k: _plain(v) for k, v in asdict(config).items()}}
    raise UsageError(
        f"{type(network).__qualname__} cannot be saved as a model: it is none of the architectures "
        f"{', '.join(_every())}"
    )


def _every() -> dict[str, str]:
    """Return `ARCHITECTURES` and those of other packages."""
    return {**ARCHITECTURES, **plugins(PLUGINS)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
