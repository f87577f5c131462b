"""Parity of an engine with its network: errors of its outputs for a model's reference crops."""

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
"""Precision → largest absolute error tolerated, times an output's standard deviation over the crops if above 1."""

MOST_CHANGED: Final = {"f32": 0.001, "fp16": 0.01, "bf16": 0.05, "int8": 0.05}
"""Precision → largest share of AU decisions that may change."""

Against = Literal["torch", "reference", "onnxruntime"]
"""Source of the expected outputs; "reference" is the model folder's file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputError:
    """Absolute errors of one output, over all of its values for all crops."""

    max: float
    p99: float
    p50: float
    tolerance: float
    """Largest `max` that is tolerated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Errors of an engine's outputs."""

    against: Against
    """Source of the expected outputs."""
    rows: int
    """Number of crops."""
    errors: dict[str, OutputError]
    """By name of the output."""
    changed_decisions: float
    """Share of AU decisions, over all crops, that differ."""


def check_parity(engine: Engine, member: Member, *, by_torch: bool, crops: U8 | None = None) -> Parity:
    """Run crops through an engine and compare its outputs with the expected ones.

    Args:
        engine: an engine of this member.
        member: provides crops, expected outputs and thresholds.
        by_torch: compute the expected outputs with torch where it is installed, instead of reading the stored ones.
        crops: uint8 (n, 112, 112, 3) RGB, used in place of the reference crops. Their expected outputs are computed
            by torch, or by ONNX Runtime where torch is not installed.

    Raises:
        EngineError: an error above the precision's tolerance.
        UsageError: the reference file is unreadable.
    """
    crops, expected, against = _expected(member, by_torch, crops)
    found = engine.infer({engine.spec.inputs[0].name: crops})
    parity = compare(found, expected, np.array(member.thresholds), engine.spec.precision, against)
    _require_tolerated(parity, engine, member)
    return parity


def compare(
    found: Mapping[str, F32],
    expected: Mapping[str, F32],
    thresholds: np.ndarray[tuple[int], np.dtype[np.float64]],
    precision: str,
    against: Against,
) -> Parity:
    """Return the errors of `found`; an output that is missing or not finite has an infinite error.

    Args:
        found: name → float32 (n, …).
        expected: name → float32 (n, …).
        thresholds: float64 (A,), the probability from which each AU is active.
        precision: a key of `TOLERANCES`.
        against: source of `expected`.
    """
    changed = _active(found["logits"], thresholds) != _active(expected["logits"], thresholds)
    errors = {name: _error(found.get(name), value, TOLERANCES[precision]) for name, value in expected.items()}
    return Parity(
        against=against, rows=len(expected["logits"]), errors=errors, changed_decisions=float(changed.mean())
    )


def read_reference(member: Member) -> tuple[U8, dict[str, F32]]:
    """Read a member's reference crops, uint8 (n, 112, 112, 3) RGB, and its outputs for them, name → float32 (n, …).

    Raises:
        UsageError: the file is unreadable.
    """
    try:
        with np.load(member.reference, allow_pickle=False) as arrays:
            outputs = {name: arrays[name] for name in arrays.files if name != "pixels"}
            return arrays["pixels"], outputs
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise UsageError(f"{member.reference} is damaged: {error}; copy the model folder again") from error


def excess_errors(parity: Parity, precision: str, share: float = 1.0) -> dict[str, str]:
    """Describe errors and changed decisions above `share` of the precision's tolerance; output → description."""
    described = {
        name: f"{name} differs by up to {error.max:.2g} (p99 {error.p99:.2g}), "
        f"tolerated is {share * error.tolerance:.2g}"
        for name, error in parity.errors.items()
        if not error.max <= share * error.tolerance
    }
    changed, most = parity.changed_decisions, share * MOST_CHANGED[precision]
    if changed > most:
        also = f"{changed:.2%} of the decisions change, tolerated are {most:.2%}"
        described["logits"] = "; ".join([*filter(None, [described.get("logits")]), also])
    return described


def _expected(member: Member, by_torch: bool, crops: U8 | None) -> tuple[U8, dict[str, F32], Against]:
    """Return crops, the expected outputs for them, and their source."""
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


def _error(found: F32 | None, expected: F32, tolerance: float) -> OutputError:
    spread = float(expected.reshape(len(expected), -1).std(0).mean())
    limit = tolerance * max(1.0, spread)
    if found is None or found.shape != expected.shape or not np.isfinite(found).all():
        return OutputError(max=np.inf, p99=np.inf, p50=np.inf, tolerance=limit)
    error = np.abs(found.astype(np.float64) - expected)
    p99, p50 = np.quantile(error, [0.99, 0.5]).tolist()
    return OutputError(max=float(error.max()), p99=p99, p50=p50, tolerance=limit)


def _require_tolerated(parity: Parity, engine: Engine, member: Member) -> None:
    spec = engine.spec
    excess = excess_errors(parity, spec.precision)
    if excess:
        raise EngineError(
            f"the {spec.engine} engine for {member.name} ({spec.precision}, {spec.device}) does not compute "
            f"what the network computes ({parity.rows} crops against {parity.against}): "
            f"{'; '.join(excess.values())}. Use another engine or a higher precision."
        )
