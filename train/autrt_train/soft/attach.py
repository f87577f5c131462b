"""Assignment of soft targets to the pictures of an index."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from autrt.errors import UsageError
from autrt.types import F32, ShapedRepr, check_array
from autrt_train.labels.picture_lookup import AMBIGUOUS, PictureLookup
from autrt_train.soft.calibration import calibrate_values
from autrt_train.soft.read import read_values
from autrt_train.soft.settings import TargetSettings
from autrt_train.soft.values import Values
from autrt_train.types import Index


@dataclass(frozen=True, slots=True, repr=False)
class SoftTargets(ShapedRepr):
    """Soft targets of other tools for N pictures, A AUs."""

    logit: F32
    """(N, A) float32 logits of calibrated probabilities; NaN where no tool has a value."""
    weight: F32
    """(N, A) float32 weight of each in the loss; 1 where no tool has a value."""
    tools: tuple[str, ...]
    """Names of the tools."""

    def __post_init__(self) -> None:
        check_array(self, "logit", self.logit, np.float32, (None, None))
        check_array(self, "weight", self.weight, np.float32, self.logit.shape)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over targets and weights."""
        found = hashlib.sha256(np.ascontiguousarray(self.logit).tobytes())
        found.update(np.ascontiguousarray(self.weight).tobytes())
        return found.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftSource:
    """Values of one tool and their probabilities."""

    tool: str
    values: Values
    """One row per face."""
    probability: F32
    """(N, A) float32."""
    settings: TargetSettings


def read_source(
    settings: TargetSettings, au_names: Sequence[str], log: Callable[[str], object]
) -> SoftSource:
    """Read and calibrate the values of one tool.

    Args:
        settings: of the tool.
        au_names: AUs that are trained; others are ignored unless the settings name them.
        log: called with the counts behind the calibration, and with what was left out.

    Raises:
        UsageError, DataError: as `read_values` and `calibrate_values`; or the settings name an AU that
            is not trained.
    """
    tool, whole = read_values(settings)
    named = (*(settings.au_names or ()), *settings.columns, *settings.weights)
    if strange := [au for au in named if au not in au_names]:
        raise UsageError(f"distill.targets: {strange[0]} is none of the AUs that are trained")
    at = [i for i, au in enumerate(whole.au_names) if au in au_names]
    known = Values(
        au_names=tuple(whole.au_names[i] for i in at),
        values=whole.values[:, at],
        name=whole.name,
        frame=whole.frame,
        track=whole.track,
    )
    values = known.unambiguous()
    if len(values) < len(known):
        log(f"{tool}: {len(known) - len(values)} rows left out: several faces of one picture or frame")
    return SoftSource(
        tool=tool, values=values, probability=calibrate_values(tool, values, settings, log), settings=settings
    )


def attach_targets(
    sources: Sequence[SoftSource], index: Index, au_names: Sequence[str], log: Callable[[str], object]
) -> SoftTargets:
    """Return the targets of an index's pictures; of several tools with a value, the first is taken.

    Args:
        sources: in order of precedence.
        index: N pictures, some of which may occur twice.
        au_names: A AUs.
        log: called with the number of pictures that have targets.
    """
    _, once, inverse = np.unique(index.paths, return_index=True, return_inverse=True)
    logit = np.full((len(once), len(au_names)), np.nan, np.float32)
    weight = np.ones(logit.shape, np.float32)
    lookup = PictureLookup(index.take(once))  # a picture may occur in several sources
    for source in sources:
        rows = np.array([lookup.row(*key) for key in source.values.places()], np.int64).reshape(-1)
        at = rows >= 0
        for column, au in enumerate(source.values.au_names):
            place, p = au_names.index(au), source.probability[:, column]
            new = at & ~np.isnan(p)
            new[new] = np.isnan(logit[rows[new], place])
            logit[rows[new], place] = np.log(p[new] / (1 - p[new]))
            weight[rows[new], place] = source.settings.weight_of(au)
        aus = ", ".join(source.values.au_names)
        unclear = int((rows == AMBIGUOUS).sum())
        note = f"; {unclear} rows of frames with several faces left out" if unclear else ""
        log(
            f"{source.tool}: soft targets of {aus} for {len(np.unique(rows[at]))} of {len(once)} pictures{note}"
        )
    inverse = inverse.reshape(-1)
    return SoftTargets(
        logit[inverse], weight[inverse], tuple(dict.fromkeys(source.tool for source in sources))
    )
