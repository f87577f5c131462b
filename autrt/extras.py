"""Optional extras of this project, and parts that are imported when they are asked for."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Any, Final

from autrt.errors import MissingDependencyError, UsageError

EXTRAS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("torch", "safetensors", "sklearn", "matplotlib", "numba", "tensorboard"), "train"),
    "nvidia": "train-gpu",
    **dict.fromkeys(("tensorrt", "torch_tensorrt"), "gpu"),
    "tensorrt_rtx": "rtx",
    "openvino": "openvino",
    "onnx": "ort",
    **dict.fromkeys(("pandas", "pyarrow"), "tables"),
    "polars": "dataset",
    "ray": "ray",
    **dict.fromkeys(("jinja2", "plotly"), "report"),
    **dict.fromkeys(("fsspec", "s3fs", "aiohttp"), "cloud"),
}
"""Top-level package → the extra that brings it."""

_OWN: Final = ("autrt", "autrt_train", "autrt_bench")


def missing_package(error: ModuleNotFoundError) -> str:
    """Return the top-level package that was not found; empty where Python does not name it."""
    return (error.name or "").partition(".")[0]


def missing_dependency(
    error: ModuleNotFoundError, needed_by: str, extra: str | None = None
) -> MissingDependencyError:
    """Return the error that tells the user what to install.

    Args:
        error: names the missing package.
        needed_by: the part that needs it, as the subject of a sentence ("the engine 'torch'").
        extra: the extra that brings all that the part needs; by default the one that `EXTRAS` has for the package.
    """
    package = missing_package(error)
    extra = extra or EXTRAS.get(package)
    command = f"pip install 'autrt[{extra}]'" if extra else f"pip install {package}"
    where = " on a machine with an NVIDIA GPU" if extra == "gpu" else ""
    return MissingDependencyError(
        f"{needed_by} needs the package {package}, which is not installed: {command}{where}"
    )


@contextmanager
def importing(needed_by: str, extra: str | None = None) -> Generator[None]:
    """Turn a failed import in the block into advice; see `missing_dependency` for the arguments.

    Raises:
        MissingDependencyError: a package of others is not installed.
        ModuleNotFoundError: a module of this project is missing, which is a bug.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if missing_package(error) in ("", *_OWN):
            raise
        raise missing_dependency(error, needed_by, extra) from error


def load_part(kind: str, name: str, parts: Mapping[str, str], extra: str | None = None) -> Any:
    """Import one of several exchangeable parts.

    Args:
        kind: what the parts are, in the singular, for messages ("engine").
        name: a key of `parts`.
        parts: name → "module:attribute", or "module" alone.
        extra: as `missing_dependency` takes it.

    Raises:
        UsageError: there is no part of this name; the message lists those there are.
        MissingDependencyError: its code needs a package that is not installed.
    """
    if name not in parts:
        raise UsageError(f"no {kind} is called {name!r}; known: {', '.join(parts)}")
    with importing(f"the {kind} {name!r}", extra):
        return resolve_name(parts[name])
