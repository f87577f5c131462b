"""From runs, checkpoints and model folders to an ensemble's folder: what `autrt ensemble` does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autrt.errors import UsageError
from autrt.model.assemble import WEIGHT_DIGITS, save_ensemble
from autrt.model.folder import Model, used_members
from autrt.storage.escape import escape
from autrt.types import F32, I32, I64
from autrt_train.annotations.folds import folds, groups
from autrt_train.annotations.read import DataSpec
from autrt_train.ensembling.candidate_scores import Panel
from autrt_train.ensembling.candidates import Source, read_sources
from autrt_train.ensembling.held_out import HALVES, Halves
from autrt_train.ensembling.logits import Entrant, entrants_of, validation_logits
from autrt_train.ensembling.members import member_folder, names_of, smoothing_of
from autrt_train.ensembling.report import HEADLINE, EnsembleReport, MemberReport
from autrt_train.ensembling.scores import LIMITS, Limits, Thresholds, mean, mixed
from autrt_train.ensembling.selectors import SELECTORS, Selector, Strategy, best_single
from autrt_train.ensembling.simplex import mixtures
from autrt_train.ensembling.validation import Validation, validation_of
from autrt_train.evaluate.bootstrap import Resampling
from autrt_train.evaluate.scores import difference, score_decisions
from autrt_train.fit.processes import join
from autrt_train.loading.loader import Loader, open_loader
from autrt_train.recipe import LoaderSettings


@dataclass(frozen=True, slots=True)
class EnsembleSettings:
    """How to choose."""

    select: Strategy = "best-per-au"
    thresholds: Thresholds = "calibrated"
    """Of all scores, and of the ensemble: those of the best F1, found where the members are chosen; or 0.5."""
    labels: tuple[DataSpec, ...] = ()
    """Data to choose by; empty: the runs' own validation data."""
    times: int = 1000
    """Resamplings that intervals are taken from."""
    seed: int = 0
    """Of the division into halves and of the resampling."""
    device: str = "auto"
    overwrite: bool = False


def make_ensemble(
    names: Sequence[str], out: Path, settings: EnsembleSettings, say: Callable[[str], object]
) -> tuple[Model, EnsembleReport]:
    """Choose members and weights, say what they are worth on data that did not choose them, and write the folder.

    Args:
        names: as `read_sources`.
        out: the ensemble's folder.
        settings: how.
        say: told what takes time, and what is irregular in the data.

    Raises:
        UsageError: a name is of nothing that can be a member, members do not go together, a search is too large, or
            the folder exists.
        DataError: as `validation_of`; or all pictures are of one video.
        TrainingError: a network gives NaN.
    """
    if out.exists() and not settings.overwrite:
        raise UsageError(
            f"--out {escape(str(out))} exists: take another folder, or replace it by --overwrite"
        )
    sources = read_sources(names)
    validation = validation_of(sources, settings.labels, say)
    half = folds(validation.index, HALVES, settings.seed)
    entrants, networks = entrants_of(sources)
    if settings.select in ("simplex", "simplex-shared"):
        mixtures(len(networks))  # refuses what is too large before anything is computed
    with join(settings.device) as world, closing(_loader(sources, validation, str(world.device))) as loader:
        logits = np.stack([validation_logits(e, validation, loader, world, say) for e in entrants], axis=1)
        say(f"choosing by {settings.select} among {len(entrants)} candidates")
        limits, select = LIMITS[settings.thresholds], SELECTORS[settings.select]
        panel = Panel.of(logits, validation.index.labels, networks, limits.score)
        weights = select(panel).round(WEIGHT_DIGITS)
        report = _report(panel, weights, half, entrants, validation, settings, select)
        return _write(out, panel, weights, entrants, validation, loader, limits, report, settings), report


def _loader(sources: Sequence[Source], validation: Validation, device: str) -> Loader:
    """The first run's loader."""
    settings = next((s.run.recipe.loader for s in sources if s.run is not None), LoaderSettings())
    return open_loader(
        settings.name, validation.index, threads=settings.threads, device=device, prefetch=settings.prefetch
    )


def _report(
    panel: Panel,
    weights: F32,
    half: I32,
    entrants: Sequence[Entrant],
    validation: Validation,
    settings: EnsembleSettings,
    select: Selector,
) -> EnsembleReport:
    index = validation.index
    halves = Halves.of(panel.logits, panel.labels, half, panel.sources, LIMITS[settings.thresholds])
    group: I64 = groups(index)
    resampling = Resampling.draw(group, settings.times, settings.seed)
    ensemble, single = (
        score_decisions(halves.decisions(chosen), index.labels, resampling)
        for chosen in (select, best_single)
    )
    members: list[MemberReport] = []
    unresampled = Resampling.draw(group, 0, settings.seed)
    used: list[int] = np.flatnonzero(used_members(weights)).tolist()
    for member, name in zip(used, names_of([entrants[m].candidate for m in used]), strict=True):
        without = None
        if len(panel.candidates) > 1:
            rest = score_decisions(halves.decisions(select, member), index.labels, unresampled)
            without = float(rest[HEADLINE].value[-1])
        entrant = entrants[member]
        row = weights[member].astype(np.float64).round(WEIGHT_DIGITS).tolist()
        members.append(
            MemberReport(
                name=name,
                origins=entrant.origins,
                digest=entrant.digest,
                weights={au: share for au, share in zip(index.label_names, row, strict=True) if share > 0},
                alone=mean(panel.alone[member]),
                without=without,
            )
        )
    return EnsembleReport(
        select=settings.select,
        thresholds=settings.thresholds,
        au_names=index.label_names,
        data=validation.about,
        data_digest=validation.digest,
        pictures=len(index),
        groups=len(np.unique(group)),
        candidates=len(entrants),
        members=tuple(members),
        ensemble=ensemble,
        single=single,
        gain=difference(single, ensemble),
    )


def _write(
    out: Path,
    panel: Panel,
    weights: F32,
    entrants: Sequence[Entrant],
    validation: Validation,
    loader: Loader,
    limits: Limits,
    report: EnsembleReport,
    settings: EnsembleSettings,
) -> Model:
    used: list[int] = np.flatnonzero(used_members(weights)).tolist()
    chosen = [entrants[m].candidate for m in used]
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        members = [
            member_folder(
                Path(scratch, member.name),
                candidate,
                limits.choose(panel.logits[:, number], panel.labels),
                validation.index,
                loader,
                validation.digest,
            )
            for member, candidate, number in zip(report.members, chosen, used, strict=True)
        ]
        windows, domain = smoothing_of(chosen)
        thresholds = limits.choose(mixed(panel.logits, weights), panel.labels)
        return save_ensemble(
            out,
            members,
            weights[used],
            thresholds=thresholds.tolist(),
            smoothing_windows=windows,
            smoothing_domain=domain,
            metrics=report.metrics(),
            notes=report.notes(),
            overwrite=settings.overwrite,
        )
