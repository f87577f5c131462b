"""Soft targets beside the pictures that they are of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from autrt.errors import UsageError
from autrt.types import F32, ShapedRepr, check_array
from autrt_train.labels.places import UNCLEAR, Places
from autrt_train.soft.calibration import probabilities
from autrt_train.soft.read import read_values
from autrt_train.soft.settings import TargetSettings
from autrt_train.soft.values import Values
from autrt_train.types import Index


@dataclass(frozen=True, slots=True, repr=False)
class Targets(ShapedRepr):
    """What tools say about N pictures, A AUs."""

    logit: F32
    """(N, A) float32 logits of calibrated probabilities; NaN where no tool says anything."""
    weight: F32
    """(N, A) float32 how much each counts; 1 where no tool says anything."""
    tools: tuple[str, ...]
    """Whose they are."""

    def __post_init__(self) -> None:
        check_array(self, "logit", self.logit, np.float32, (None, None))
        check_array(self, "weight", self.weight, np.float32, self.logit.shape)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over targets and weights."""
        found = hashlib.sha256(np.ascontiguousarray(self.logit).tobytes())
        found.update(np.ascontiguousarray(self.weight).tobytes())
        return found.hexdigest()


@dataclass(frozen=True, slots=True)
class SoftSource:
    """One tool's values as probabilities."""

    tool: str
    values: Values
    """Of one row a face."""
    probability: F32
    """(N, A) float32."""
    settings: TargetSettings


def read_source(
    settings: TargetSettings, au_names: Sequence[str], say: Callable[[str], object]
) -> SoftSource:
    """Read and calibrate the values of one tool.

    Args:
        settings: what and how.
        au_names: that are learnt; others that were not asked for by name are passed over.
        say: told what the calibration rests on, and what was left out.

    Raises:
        UsageError, DataError: as `read_values` and `probabilities`; or an AU is asked for that is not learnt.
    """
    tool, whole = read_values(settings)
    asked = (*(settings.au_names or ()), *settings.columns, *settings.weights)
    if strange := [au for au in asked if au not in au_names]:
        raise UsageError(f"distill.targets: {strange[0]} is none of the AUs that are trained")
    at = [i for i, au in enumerate(whole.au_names) if au in au_names]
    known = Values(
        tuple(whole.au_names[i] for i in at), whole.values[:, at], whole.name, whole.frame, whole.track
    )
    values = known.unambiguous()
    if len(values) < len(known):
        say(f"{tool}: {len(known) - len(values)} rows left out: several faces of one picture or frame")
    return SoftSource(tool, values, probabilities(tool, values, settings, say), settings)


def attached(
    sources: Sequence[SoftSource], index: Index, au_names: Sequence[str], say: Callable[[str], object]
) -> Targets:
    """The targets of an index's pictures; of several tools that know an AU of a picture, the first counts.

    Args:
        sources: in order of precedence.
        index: N pictures; one that stands there twice has its targets twice.
        au_names: A AUs.
        say: told how many pictures have targets.
    """
    _, once, whose = np.unique(index.paths, return_index=True, return_inverse=True)
    logit = np.full((len(once), len(au_names)), np.nan, np.float32)
    weight = np.ones(logit.shape, np.float32)
    places = Places(index.take(once))  # a picture may stand in several sources
    for source in sources:
        rows = np.array([places.row(*key) for key in source.values.places()], np.int64).reshape(-1)
        at = rows >= 0
        for column, au in enumerate(source.values.au_names):
            place, p = au_names.index(au), source.probability[:, column]
            new = at & ~np.isnan(p)
            new[new] = np.isnan(logit[rows[new], place])
            logit[rows[new], place] = np.log(p[new] / (1 - p[new]))
            weight[rows[new], place] = source.settings.weight_of(au)
        aus = ", ".join(source.values.au_names)
        unclear = int((rows == UNCLEAR).sum())
        note = f"; {unclear} rows of frames with several faces left out" if unclear else ""
        say(
            f"{source.tool}: soft targets of {aus} for {len(np.unique(rows[at]))} of {len(once)} pictures{note}"
        )
    whose = whose.reshape(-1)
    return Targets(logit[whose], weight[whose], tuple(dict.fromkeys(source.tool for source in sources)))
