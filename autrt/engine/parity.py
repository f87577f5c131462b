"""Does an engine compute what the network computes? Its outputs for a model's reference crops against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from zipfile import BadZipFile

import numpy as np

from autrt.errors import EngineError, MissingDependencyError, UsageError
from autrt.model.folder import Member
from autrt.registry import Registry
from autrt.types import F32, U8, Engine

TOLERANCES: Final = {"f32": 1e-3, "fp16": 0.05, "bf16": 0.25}
"""Largest error by precision, in units of an output's spread over the crops where that is above 1."""

MOST_CHANGED: Final = {"f32": 0.001, "fp16": 0.01, "bf16": 0.05}
"""Largest share of decisions that may change."""

_TRUTHS = Registry(
    "truth", {"torch": "autrt.model.load:torch_outputs"}, extras={"torch": "train", "safetensors": "train"}
)


@dataclass(frozen=True, slots=True)
class OutputError:
    """Absolute errors of one output, over all of its numbers for all crops."""

    max: float
    p99: float
    p50: float
    tolerance: float
    """What `max` may not exceed."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How an engine compares."""

    against: Literal["torch", "reference"]
    """Computed by torch just now, or stored in the model folder when it was written."""
    rows: int
    errors: dict[str, OutputError]
    changed_decisions: float
    """Share of the crops' AUs that fall on the other side of their threshold."""


def check_parity(engine: Engine, member: Member, *, by_torch: bool) -> Parity:
    """Run the reference crops and compare.

    Args:
        engine: of this member.
        member: gives crops, truth and thresholds.
        by_torch: let torch compute the truth where it is installed; otherwise what the folder holds is taken.

    Raises:
        EngineError: an error beyond the precision's tolerance.
        UsageError: the reference file is unreadable.
    """
    crops, stored = read_reference(member)
    truth = _computed(member, crops) if by_torch else None
    parity = compare(
        engine.infer({engine.spec.inputs[0].name: crops}),
        truth or stored,
        np.array(member.thresholds),
        engine.spec.precision,
        "torch" if truth else "reference",
    )
    _judge(parity, engine, member)
    return parity


def compare(
    found: Mapping[str, F32],
    truth: Mapping[str, F32],
    thresholds: np.ndarray[tuple[int], np.dtype[np.float64]],
    precision: str,
    against: Literal["torch", "reference"],
) -> Parity:
    """Errors of `found`, output by output; an output that is missing or not finite has an infinite error."""
    flips = _active(found["logits"], thresholds) != _active(truth["logits"], thresholds)
    errors = {name: _error(found.get(name), value, TOLERANCES[precision]) for name, value in truth.items()}
    return Parity(against, len(truth["logits"]), errors, float(flips.mean()))


def read_reference(member: Member) -> tuple[U8, dict[str, F32]]:
    """The member's reference crops, uint8 (n, 112, 112, 3) RGB, and its outputs for them, name → float32 (n, …).

    Raises:
        UsageError: the file is unreadable.
    """
    try:
        with np.load(member.reference, allow_pickle=False) as arrays:
            outputs = {name: arrays[name] for name in arrays.files if name != "pixels"}
            return arrays["pixels"], outputs
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise UsageError(f"{member.reference} is damaged: {error}; copy the model folder again") from error


def _computed(member: Member, crops: U8) -> dict[str, F32] | None:
    try:
        return _TRUTHS.load("torch")(member, crops)
    except MissingDependencyError:
        return None


def _active(logits: F32, thresholds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64))) >= thresholds


def _error(found: F32 | None, truth: F32, tolerance: float) -> OutputError:
    spread = float(truth.reshape(len(truth), -1).std(0).mean())
    limit = tolerance * max(1.0, spread)
    if found is None or found.shape != truth.shape or not np.isfinite(found).all():
        return OutputError(np.inf, np.inf, np.inf, limit)
    error = np.abs(found.astype(np.float64) - truth)
    p99, p50 = np.quantile(error, [0.99, 0.5]).tolist()
    return OutputError(float(error.max()), p99, p50, limit)


def _judge(parity: Parity, engine: Engine, member: Member) -> None:
    spec = engine.spec
    faults = [
        f"{name} differs by up to {error.max:.2g} (p99 {error.p99:.2g}), tolerated is {error.tolerance:.2g}"
        for name, error in parity.errors.items()
        if not error.max <= error.tolerance
    ]
    changed, most = parity.changed_decisions, MOST_CHANGED[spec.precision]
    if changed > most:
        faults.append(f"{changed:.2%} of the decisions change, tolerated are {most:.2%}")
    if faults:
        raise EngineError(
            f"the {spec.engine} engine for {member.name} ({spec.precision}, {spec.device}) does not compute "
            f"what the network computes ({parity.rows} crops against {parity.against}): {'; '.join(faults)}. "
            f"Use another engine or a higher precision."
        )
