"""From runs, checkpoints and model folders to an ensemble's folder: the work of `autrt ensemble`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from autrt.errors import UsageError
from autrt.model.assemble import WEIGHT_DIGITS, save_ensemble
from autrt.model.folder import Model, used_members
from autrt.storage.escape import escape
from autrt.types import F32, I32, I64
from autrt_train.annotations.folds import folds, groups
from autrt_train.annotations.read import DataSpec
from autrt_train.ensembling.candidate_logits import UniqueNetwork, unique_networks, validation_logits
from autrt_train.ensembling.candidate_scores import CandidateScores
from autrt_train.ensembling.candidates import EnsembleSource, read_sources
from autrt_train.ensembling.f1 import THRESHOLD_RULES, ThresholdRule, Thresholds, combine_logits, nan_mean
from autrt_train.ensembling.held_out import HALVES, HeldOutHalves
from autrt_train.ensembling.members import member_folder, names_of, smoothing_of
from autrt_train.ensembling.report import EnsembleReport, MemberReport
from autrt_train.ensembling.selectors import SELECTORS, Selector, Strategy, best_single
from autrt_train.ensembling.simplex import mixtures
from autrt_train.ensembling.validation_pictures import ValidationPictures, image_rate_of, read_validation
from autrt_train.evaluate.bootstrap import Resampling
from autrt_train.evaluate.scores import difference, score_decisions
from autrt_train.fit.process_group import join_process_group
from autrt_train.loading.loader import Loader, open_loader
from autrt_train.recipe import LoaderSettings
from autrt_train.selection import SCORES, SelectBy, is_smoothed, metric_of
from autrt_train.smooth_pictures import smooth_pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleSettings:
    """Settings of the selection."""

    select: Strategy = "best-per-au"
    select_by: SelectBy = "f1_posneg"
    """Score by which candidates and weights are selected."""
    thresholds: Thresholds = "calibrated"
    """Thresholds of the ensemble and of held-out scores: those of the best `f1_binary` on the selection data, or
    0.5."""
    image_rate: float | None = None
    """Frames per second of the pictures that `labels` name, where they are consecutive frames of videos; None: they
    have no order in time. The runs' own validation data have the rate of their recipes."""
    labels: tuple[DataSpec, ...] = ()
    """Selection data; empty: the runs' own validation data."""
    times: int = 1000
    """Number of bootstrap resamplings for intervals."""
    seed: int = 0
    """Seed of the split into halves and of the resampling."""
    device: str = "auto"
    precision: Literal["f32", "bf16", "fp16"] = "f32"
    """Precision in which the candidates are run."""
    overwrite: bool = False


def make_ensemble(
    names: Sequence[str], out: Path, settings: EnsembleSettings, log: Callable[[str], object]
) -> tuple[Model, EnsembleReport]:
    """Select members and weights, score them on held-out data, and write the ensemble's folder.

    Args:
        names: as `read_sources`.
        out: the ensemble's folder.
        settings: of the selection.
        log: called with lines about slow work and irregular data.

    Raises:
        UsageError: a name is not of a possible member, members do not fit together, a search is too large, or the
           folder exists.
        DataError: as `read_validation`; or all pictures are of one video.
        TrainingError: a network gives NaN.
    """
    if out.exists() and not settings.overwrite:
        raise UsageError(
            f"--out {escape(str(out))} exists: take another folder, or replace it by --overwrite"
        )
    sources = read_sources(names)
    validation = read_validation(sources, settings.labels, log)
    half = folds(validation.index, HALVES, settings.seed)
    networks, source_networks = unique_networks(sources)
    if settings.select in ("simplex", "simplex-shared"):
        mixtures(len(source_networks))  # raises if the search is too large, before anything is computed
    with (
        join_process_group(settings.device) as group,
        closing(_loader(sources, validation, str(group.device))) as loader,
    ):
        logits = validation_logits(networks, validation, loader, group, settings.precision, log)
        rate = settings.image_rate if settings.labels else image_rate_of(sources)
        pictures = "single"
        if rate is not None and is_smoothed(settings.select_by):
            pictures = "smoothed"
            windows, _ = smoothing_of([network.candidate for network in networks])
            logits = _smoothed(logits, validation, rate, windows)
        log(
            f"choosing by {settings.select} among {len(networks)} candidates, by {settings.select_by} of "
            f"{pictures} pictures"
        )
        rule, select = THRESHOLD_RULES[settings.thresholds], SELECTORS[settings.select]
        score = SCORES[settings.select_by]
        scores = CandidateScores.of(logits, validation.index.labels, source_networks, score)
        weights = select(scores).round(WEIGHT_DIGITS)
        report = _report(scores, weights, half, networks, validation, settings, select)
        return _write(out, scores, weights, networks, validation, loader, rule, report, settings), report


def _smoothed(logits: F32, validation: ValidationPictures, rate: float, windows: Sequence[int]) -> F32:
    """Smooth every candidate's logits; smoothing a mixture of logits gives the mixture of smoothed ones."""
    columns = [smooth_pictures(logits[:, m], validation.index, rate, windows) for m in range(logits.shape[1])]
    return np.stack(columns, axis=1)


def _loader(sources: Sequence[EnsembleSource], validation: ValidationPictures, device: str) -> Loader:
    """Open the loader that the first run uses."""
    settings = next((s.run.recipe.loader for s in sources if s.run is not None), LoaderSettings())
    return open_loader(
        settings.name, validation.index, threads=settings.threads, device=device, prefetch=settings.prefetch
    )


def _report(
    scores: CandidateScores,
    weights: F32,
    half: I32,
    networks: Sequence[UniqueNetwork],
    validation: ValidationPictures,
    settings: EnsembleSettings,
    select: Selector,
) -> EnsembleReport:
    index = validation.index
    halves = HeldOutHalves.of(scores, half, THRESHOLD_RULES[settings.thresholds])
    metric = metric_of(settings.select_by)
    video_group: I64 = groups(index)
    resampling = Resampling.draw(video_group, settings.times, settings.seed)
    ensemble, single = (
        score_decisions(halves.decisions(chosen), index.labels, resampling)
        for chosen in (select, best_single)
    )

    def score_without(member: int) -> float | None:
        if len(scores.candidates) < 2:
            return None
        unresampled = Resampling.draw(video_group, 0, settings.seed)
        rest = score_decisions(halves.decisions(select, member), index.labels, unresampled)
        return float(rest[metric].value[-1])

    return EnsembleReport(
        select=settings.select,
        select_by=settings.select_by,
        thresholds=settings.thresholds,
        au_names=index.label_names,
        data=validation.about,
        data_digest=validation.digest,
        pictures=len(index),
        groups=len(np.unique(video_group)),
        candidates=len(networks),
        members=_member_reports(scores, weights, networks, index.label_names, score_without),
        ensemble=ensemble,
        single=single,
        gain=difference(single, ensemble),
    )


def _member_reports(
    scores: CandidateScores,
    weights: F32,
    networks: Sequence[UniqueNetwork],
    au_names: Sequence[str],
    score_without: Callable[[int], float | None],
) -> tuple[MemberReport, ...]:
    used: list[int] = np.flatnonzero(used_members(weights)).tolist()
    reports: list[MemberReport] = []
    for member, name in zip(used, names_of([networks[m].candidate for m in used]), strict=True):
        shares = weights[member].astype(np.float64).round(WEIGHT_DIGITS).tolist()
        reports.append(
            MemberReport(
                name=name,
                origins=networks[member].origins,
                digest=networks[member].digest,
                weights={au: share for au, share in zip(au_names, shares, strict=True) if share > 0},
                alone=nan_mean(scores.alone[member]),
                without=score_without(member),
            )
        )
    return tuple(reports)


def _write(
    out: Path,
    scores: CandidateScores,
    weights: F32,
    networks: Sequence[UniqueNetwork],
    validation: ValidationPictures,
    loader: Loader,
    rule: ThresholdRule,
    report: EnsembleReport,
    settings: EnsembleSettings,
) -> Model:
    used: list[int] = np.flatnonzero(used_members(weights)).tolist()
    chosen = [networks[m].candidate for m in used]
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        members = [
            member_folder(
                Path(scratch, member.name),
                candidate,
                rule(scores.logits[:, number], scores.labels),
                validation.index,
                loader,
                validation.digest,
            )
            for member, candidate, number in zip(report.members, chosen, used, strict=True)
        ]
        windows, domain = smoothing_of(chosen)
        thresholds = rule(combine_logits(scores.logits, weights), scores.labels)
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
