"""autrt: facial Action Units in archives of video, fast."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAZY = {"open_results": "autrt.results.reader:open_results"}

__all__ = ["__version__", "open_results"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Load public names on first use, so that `import autrt` stays cheap."""
    if name not in _LAZY:
        raise AttributeError(f"module 'autrt' has no attribute {name!r}")
    module, _, attribute = _LAZY[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    """The public names, whether they were loaded or not."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
