"""Does an engine compute what the network computes? Its outputs for a model's reference crops against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from zipfile import BadZipFile

import numpy as np

from autrt.errors import EngineError, MissingDependencyError, UsageError
from autrt.extras import importing
from autrt.model.folder import Member
from autrt.types import F32, U8, Engine

TOLERANCES: Final = {"f32": 1e-3, "fp16": 0.05, "bf16": 0.25, "int8": 0.5}
"""Largest error by precision, in units of an output's spread over the crops where that is above 1."""

MOST_CHANGED: Final = {"f32": 0.001, "fp16": 0.01, "bf16": 0.05, "int8": 0.05}
"""Largest share of decisions that may change."""

Against = Literal["torch", "reference", "onnxruntime"]


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

    against: Against
    """Computed by torch or ONNX Runtime just now, or stored in the model folder when it was written."""
    rows: int
    errors: dict[str, OutputError]
    changed_decisions: float
    """Share of the crops' AUs that fall on the other side of their threshold."""


def check_parity(engine: Engine, member: Member, *, by_torch: bool, crops: U8 | None = None) -> Parity:
    """Run crops and compare.

    Args:
        engine: of this member.
        member: gives crops, truth and thresholds.
        by_torch: let torch compute the truth where it is installed; otherwise what the folder holds is taken.
        crops: uint8 (n, 112, 112, 3) RGB instead of the reference crops; what the folder does not hold is then
            computed by ONNX Runtime where torch is not installed.

    Raises:
        EngineError: an error beyond the precision's tolerance.
        UsageError: the reference file is unreadable.
    """
    crops, truth, against = _truth(member, by_torch, crops)
    found = engine.infer({engine.spec.inputs[0].name: crops})
    parity = compare(found, truth, np.array(member.thresholds), engine.spec.precision, against)
    _judge(parity, engine, member)
    return parity


def compare(
    found: Mapping[str, F32],
    truth: Mapping[str, F32],
    thresholds: np.ndarray[tuple[int], np.dtype[np.float64]],
    precision: str,
    against: Against,
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


def faults(parity: Parity, precision: str, share: float = 1.0) -> dict[str, str]:
    """What is wrong, by output: errors and changed decisions above `share` of what the precision tolerates."""
    told = {
        name: f"{name} differs by up to {error.max:.2g} (p99 {error.p99:.2g}), "
        f"tolerated is {share * error.tolerance:.2g}"
        for name, error in parity.errors.items()
        if not error.max <= share * error.tolerance
    }
    changed, most = parity.changed_decisions, share * MOST_CHANGED[precision]
    if changed > most:
        also = f"{changed:.2%} of the decisions change, tolerated are {most:.2%}"
        told["logits"] = "; ".join([*filter(None, [told.get("logits")]), also])
    return told


def _truth(member: Member, by_torch: bool, crops: U8 | None) -> tuple[U8, dict[str, F32], Against]:
    if crops is None:
        crops, stored = read_reference(member)
        computed = _by_torch(member, crops) if by_torch else None
        return (crops, computed, "torch") if computed else (crops, stored, "reference")
    computed = _by_torch(member, crops)
    if computed:
        return crops, computed, "torch"
    from autrt.engine.backends.onnxruntime import graph_outputs

    return crops, graph_outputs(member, crops), "onnxruntime"


def _by_torch(member: Member, crops: U8) -> dict[str, F32] | None:
    """Return what torch computes; None where it is not installed."""
    try:
        with importing("torch's outputs"):
            from autrt.model.load import torch_outputs
    except MissingDependencyError:
        return None
    return torch_outputs(member, crops)


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
    told = faults(parity, spec.precision)
    if told:
        raise EngineError(
            f"the {spec.engine} engine for {member.name} ({spec.precision}, {spec.device}) does not compute "
            f"what the network computes ({parity.rows} crops against {parity.against}): "
            f"{'; '.join(told.values())}. Use another engine or a higher precision."
        )
