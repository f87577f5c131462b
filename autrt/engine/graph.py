"""Arguments of every engine: the network to run, and the options to run it with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal

from autrt.errors import EngineError, EngineOptionError
from autrt.machine import available_cores
from autrt.model.folder import Member
from autrt.types import U8

InputLayout = Literal["NHWC-u8", "NCHW-f32"]

Reduce = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Torch's outputs of a batch → fewer or smaller ones, on their device; what it does must not depend on values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A network in an ONNX file. Engines take uint8 (B, H, W, 3) RGB, whatever the file's own input is."""

    path: Path
    """The ONNX file."""
    network_digest: str
    """SHA-256 (hex) over everything that decides the network's outputs; names its engines in the cache."""
    _: KW_ONLY
    au_names: tuple[str, ...] = ()
    """Order of the logits; empty for networks without AUs."""
    input_layout: InputLayout = "NHWC-u8"
    """Input of the file: uint8 (B, H, W, 3), as in this project's own files, or float32 (B, 3, H, W) in 0…255."""
    size: tuple[int, int] | None = None
    """(H, W) of the input of a fully convolutional network; None where the file states it."""
    member: Member | None = None
    """The model member that the file belongs to, if any; engines that run on weights take them from it."""
    derived: str = ""
    """SHA-256 (hex) of the file where it was derived from the network's own for another precision; else empty."""

    @classmethod
    def of(cls, member: Member) -> Graph:
        """Return the graph of a model's member."""
        return cls(
            path=member.onnx, network_digest=member.network_digest, au_names=member.au_names, member=member
        )

    def verify(self) -> None:
        """Check a member's files against their SHA-256; of a bare file, check only that it exists.

        Raises:
            UsageError: a file is not the one that the model folder describes.
            EngineError: the file does not exist.
        """
        if self.member is not None:
            self.member.verify()
        elif not self.path.is_file():
            raise EngineError(f"{self.path}: expected a network in an ONNX file, found no file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings for running a graph; a field that is None is chosen by the engine."""

    precision: str = "f32"
    """f32, bf16, fp16 or int8."""
    batch: int = 16
    """Rows of a batch."""
    device: str = "cpu"
    """cpu or cuda:N."""
    threads: int | None = None
    """Cores to use; None: all that this process may use."""
    in_flight: int | None = None
    """Batches in flight from which on `submit` waits."""
    profile: tuple[int, int, int] | None = None
    """Smallest, best and largest batch that a built engine takes; None: `batch` alone."""
    crops: U8 | None = field(default=None, compare=False, repr=False)
    """uint8 (n, 112, 112, 3) RGB crops to calibrate fp16 and int8 and to check with; None: the model's own."""
    targets: tuple[str, ...] = ()
    """GPUs that an engine is built for, by compute capability ("sm86"); empty: this machine's GPU."""
    reduce: Reduce | None = None
    """What the tensorrt engines do with the outputs on the GPU, so that less is copied to the host."""

    def __post_init__(self) -> None:
        for name in ("batch", "threads", "in_flight"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise EngineOptionError(f"{name}: expected at least 1, found {value}")
        if self.profile is not None and not 1 <= self.profile[0] <= self.profile[1] <= self.profile[2]:
            raise EngineOptionError(f"profile: expected three rising batch sizes, found {self.profile}")

    @property
    def batches(self) -> tuple[int, int, int]:
        """Smallest, best and largest batch that a built engine takes."""
        return self.profile or (self.batch, self.batch, self.batch)

    @property
    def cores(self) -> int:
        """Number of cores to use."""
        return self.threads or available_cores()

    def require(self, engine: str, *, devices: tuple[str, ...], precisions: tuple[str, ...]) -> None:
        """Raise unless the device and the precision are among those that an engine supports.

        Args:
            engine: name of the engine, for the message.
            devices: kinds of devices, cpu or cuda.
            precisions: names of precisions.

        Raises:
            EngineOptionError: another device or precision was asked for.
        """
        if self.device.partition(":")[0] not in devices:
            raise EngineOptionError(
                f"the {engine} engine runs on {' or '.join(devices)}, not on {self.device!r}"
            )
        if self.precision not in precisions:
            raise EngineOptionError(
                f"the {engine} engine computes in {' or '.join(precisions)} on {self.device}, "
                f"not in {self.precision!r}"
            )
