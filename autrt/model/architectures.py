"""Architectures by the name that a model folder gives. Only building a network needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from autrt.errors import UsageError
from autrt.extras import load_part
from autrt.plugins import ARCHITECTURES as PLUGINS
from autrt.plugins import plugins

if TYPE_CHECKING:
    from torch import nn

ARCHITECTURES: Final = {
    "student": "autrt.model.student:build",
    "full": "autrt.model.full:build",
    "vit": "autrt.model.vit:build",
}
"""Name → "module:function" that builds a network from its configuration; the network keeps that as `config`."""


def build_network(architecture: Mapping[str, Any]) -> nn.Module:
    """Build the network that an architecture describes, newly initialised.

    Args:
        architecture: {"name": a key of `ARCHITECTURES`, and fields of its configuration}; fields that are left out
            have their defaults.

    Raises:
        UsageError: an unknown name or field, or a value out of range.
        MissingDependencyError: torch is not installed.
    """
    settings = dict(architecture)
    name = str(settings.pop("name", ""))
    return load_part("architecture", name, _every())(settings)


def architecture_of(network: nn.Module) -> dict[str, Any]:
    """Return the architecture of a network, as JSON values that `build_network` takes.

    Raises:
        UsageError: the network is of no architecture in `ARCHITECTURES`.
    """
    config: Any = getattr(network, "config", None)
    return {"name": name_of(network), **{k: _plain(v) for k, v in asdict(config).items()}}


def name_of(part: object) -> str:
    """Return the architecture that a network, or its configuration, belongs to: that of the module that defines it.

    Raises:
        UsageError: none in `ARCHITECTURES`.
    """
    module = type(part).__module__
    for name, where in _every().items():
        if where.partition(":")[0] == module:
            return name
    raise UsageError(
        f"{type(part).__qualname__} cannot be saved as a model: it is none of the architectures "
        f"{', '.join(_every())}"
    )


def _every() -> dict[str, str]:
    """Return `ARCHITECTURES` and those of other packages."""
    return {**ARCHITECTURES, **plugins(PLUGINS)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
