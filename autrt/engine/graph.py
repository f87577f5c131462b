"""A network that an engine is to run, and how it is to be run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from autrt.errors import EngineError, EngineOptionError
from autrt.machine import available_cores
from autrt.model.folder import Member
from autrt.types import U8

InputLayout = Literal["NHWC-u8", "NCHW-f32"]


@dataclass(frozen=True, slots=True)
class Graph:
    """One network in an ONNX file. Engines take uint8 (B, H, W, 3) RGB whatever the file itself wants."""

    path: Path
    network_digest: str
    """SHA-256 over all that decides the network's numbers (hex): what engines are cached by."""
    au_names: tuple[str, ...] = ()
    input_layout: InputLayout = "NHWC-u8"
    """What the file wants: uint8 (B, H, W, 3), as this project's own do, or float32 (B, 3, H, W) in 0…255."""
    size: tuple[int, int] | None = None
    """(H, W) to fix a fully convolutional network's input to; None where the file says it."""
    member: Member | None = None
    """The model member that the file belongs to, if any; engines that need its weights take them from there."""
    derived: str = ""
    """SHA-256 (hex) of a file that `precision.derive_graph` made of the network's own, for another precision."""

    @classmethod
    def of(cls, member: Member) -> Graph:
        """The graph of a model's member."""
        return cls(member.onnx, member.network_digest, member.au_names, member=member)

    def verify(self) -> None:
        """Hash a member's files before something is made of them; a bare file is its owner's to check.

        Raises:
            UsageError: a file is not the one that the model folder describes.
            EngineError: there is no file.
        """
        if self.member is not None:
            self.member.verify()
        elif not self.path.is_file():
            raise EngineError(f"{self.path}: expected a network in an ONNX file, found no file")


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a graph. What is None is chosen by the engine."""

    precision: str = "f32"
    batch: int = 16
    device: str = "cpu"
    threads: int | None = None
    """Cores to use; by default all that this process may use."""
    in_flight: int | None = None
    """Batches that may be under way before `submit` waits."""
    profile: tuple[int, int, int] | None = None
    """Smallest, best and largest batch that a built engine takes; by default `batch` alone."""
    crops: U8 | None = field(default=None, compare=False, repr=False)
    """(n, 112, 112, 3) RGB: real crops to choose fp16 layers and int8 ranges by, and to check with."""
    targets: tuple[str, ...] = ()
    """GPUs that an engine is built for, by compute capability ("sm86"); by default the one that is here."""

    def __post_init__(self) -> None:
        for name in ("batch", "threads", "in_flight"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise EngineOptionError(f"{name}: expected at least 1, found {value}")
        if self.profile is not None and not 1 <= self.profile[0] <= self.profile[1] <= self.profile[2]:
            raise EngineOptionError(f"profile: expected three rising batch sizes, found {self.profile}")

    @property
    def batches(self) -> tuple[int, int, int]:
        """Smallest, best and largest batch."""
        return self.profile or (self.batch, self.batch, self.batch)

    @property
    def cores(self) -> int:
        """Cores to use."""
        return self.threads or available_cores()

    def require(self, engine: str, *, devices: tuple[str, ...], precisions: tuple[str, ...]) -> None:
        """Refuse what an engine cannot do.

        Raises:
            EngineOptionError: another kind of device or precision than these.
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
