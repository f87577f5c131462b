"""Networks as named arrays: their specification, their outputs, and the Protocol of the engine that runs one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

from autrt.types.arrays import F32, U8

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Outputs = dict[str, F32]
"""The networks' outputs for F faces: name → float32 (F, …).

`logits` is (F, M, A), members in the ensemble's order, NaN where a member was not run; all others have one value
of their shape per face: `landmarks` (F, 5, 2) in crop pixels, `presence` (F,) as a logit, and whatever else a
model brings (see docs/extending.md). The pipeline adds `sharpness` and `quality`, (F,) each. On their way to a file
some are float16.
"""


Stream = Callable[[], AbstractContextManager[object]]
"""Entered by each thread that works for a video: what it gives the device is done in order, beside other videos."""


class Pending(Protocol[T_co]):
    """A value that is being computed, such as a `Future`."""

    def result(self) -> T_co:
        """Wait for the value and return it; raise what its computation raised."""
        ...


@dataclass(frozen=True, slots=True)
class Ready(Generic[T]):
    """A `Pending` value that is already known."""

    value: T

    def result(self) -> T:
        """Return the value."""
        return self.value


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, shape (without the batch) and dtype of a network's input or output."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """Specification of an engine: enough to tell whether two engines give the same numbers."""

    engine: str
    """Name of the engine: openvino, onnxruntime, torch, …"""
    network_digest: str
    """SHA-256 over weights, graph and input of the network (hex)."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    precision: str
    """f32, bf16, fp16 or int8: the precision of the arithmetic that is really used."""
    batch: int
    """Rows of the one fixed batch that every call is padded to."""
    device: str
    """cpu or cuda:N."""
    au_names: tuple[str, ...] = ()
    """Order of the `logits` output's columns; empty for networks without AUs."""
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    """Versions of the libraries that computed, e.g. {'openvino': '2026.4.0'}."""
    graph_digest: str = ""
    """SHA-256 (hex) of the graph that was derived from the network's own for this precision, if any was."""


@runtime_checkable
class Engine(Protocol):
    """Runs one network on one device in one fixed batch size. Safe to call from several threads.

    A row's numbers never depend on the other rows of its batch nor on its place in it.
    """

    @property
    def spec(self) -> EngineSpec:
        """Specification of this engine."""
        ...

    def submit(self, inputs: Mapping[str, U8]) -> Future[dict[str, F32]]:
        """Start one batch and return at once, or wait while too many batches are in flight.

        Args:
            inputs: name → uint8 (B, …) with B from 1 to `spec.batch`; padded to `spec.batch` inside. The
                arrays are copied before this returns.

        Returns:
            A future of name → float32 (B, …), arrays of the caller's own.

        Raises:
            EngineError: an input of another name, dtype or shape, or the engine is closed.
        """
        ...

    def infer(self, inputs: Mapping[str, U8]) -> dict[str, F32]:
        """Submit any number of rows in as many batches as needed, and wait.

        Args:
            inputs: name → uint8 (B, …), B 0 or more.

        Returns:
            Name → float32 (B, …).

        Raises:
            EngineError: as `submit`, or the engine failed.
        """
        ...

    def close(self) -> None:
        """Wait for the batches in flight and release the device's memory."""
        ...
