"""The pictures that members are selected by: the runs' validation data, or data named by the user."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from autrt.storage.escape import escape
from autrt_train.annotations.check import require_template
from autrt_train.annotations.read import DataSpec, read_and_report
from autrt_train.ensembling.candidates import EnsembleSource, TrainingRun
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.join_indices import join_indices
from autrt_train.packed.picture_files import picture_facts
from autrt_train.read_recipe import require_places
from autrt_train.recipe import Recipe
from autrt_train.training_data import index_data
from autrt_train.types import MISSING, DataError, Index

_Gathered = tuple[TrainingRun, Index, Index]
"""A run, its training pictures and its validation pictures."""


@dataclass(frozen=True, slots=True)
class ValidationPictures:
    """Labelled pictures, none of which a run was trained on."""

    index: Index = field(repr=False)
    about: str
    """Description for people."""
    digest: str
    """SHA-256 (hex) over pictures and labels."""


def read_validation(
    sources: Sequence[EnsembleSource], labels: Sequence[DataSpec], log: Callable[[str], object]
) -> ValidationPictures:
    """Read the validation data of all sources.

    Args:
        sources: at least one.
        labels: data to use instead of the runs' own.
        log: called with irregularities of the data.

    Raises:
        DataError: data are missing or wrong; runs were validated on different pictures; a run was trained on one of
           these; or there are only model folders and no `labels`.
    """
    first = sources[0].candidates[0]
    runs = [source.run for source in sources if source.run is not None]
    gathered = _gathered(runs, log)
    if labels:
        index = join_indices([read_and_report(spec, log).with_labels(first.au_names) for spec in labels])
        about = ", ".join(f"{spec.kind} {escape(str(spec.root))}" for spec in labels)
    elif gathered:
        index = gathered[0][2]
        about = f"the validation data of {', '.join(dict.fromkeys(run.name for run in runs))}"
        _require_same(gathered)
    else:
        raise DataError(
            "nothing says what to validate on: model folders are chosen by data that --labels names (or name a "
            "training run too, to take its validation data)"
        )
    index = index.take(np.flatnonzero((index.labels != MISSING).any(axis=1)))
    if not (index.labels == 1).any():
        raise DataError(f"{about}: expected pictures with active AUs, found none: check the labels")
    require_template(index, first.template, "the network")
    for run, train, _ in gathered:
        known = int(np.isin(index.paths, train.paths).sum())
        if known:
            raise DataError(
                f"{known} of {len(index)} pictures of {about} were trained on by {run.name}, which would look "
                "better than it is: name data of other people by --labels and --split"
            )
    return ValidationPictures(index, about, data_digest(index))


def data_digest(index: Index) -> str:
    """Return the SHA-256 (hex) over labels, videos, alignment and every picture's path, size and modification time.

    Raises:
        DataError: a picture is missing.
    """
    found = hashlib.sha256(f"{index.template} {index.margin_px} {index.label_names}".encode())
    for array in (index.paths, index.labels, index.video):
        found.update(np.ascontiguousarray(array).view(np.uint8).tobytes())
    for path in index.paths.tolist():
        try:
            facts = picture_facts(path)
        except OSError as error:
            raise DataError(f"{escape(os.fsdecode(path))} cannot be read: {error.strerror}") from error
        found.update(f"{facts.size_bytes} {facts.modified_ns};".encode())
    return found.hexdigest()


def _gathered(runs: Sequence[TrainingRun], log: Callable[[str], object]) -> list[_Gathered]:
    """Return run, training pictures and validation pictures of the runs whose data differ."""
    out: dict[str, tuple[TrainingRun, Index, Index]] = {}
    for run in runs:
        recipe = run.recipe
        seed = (
            "" if recipe.data.validation else recipe.seed
        )  # which splits the data where no validation data are named
        key = f"{recipe.data.model_dump_json()} {recipe.au_names} {seed}"
        if key not in out:
            require_places(recipe)
            found = index_data(recipe, ProcessGroup(), log)
            out[key] = (run, found.train, found.validation)
    return list(out.values())


def _require_same(gathered: Sequence[_Gathered]) -> None:
    first, _, index = gathered[0]
    for other, _, other_index in gathered[1:]:
        if data_digest(other_index) != data_digest(index):
            raise DataError(
                f"{first.name} was validated on {len(index)} pictures, {other.name} on {len(other_index)} others: "
                f"{_cause(first.recipe, other.recipe)}; name pictures that none of them was trained on by --labels"
            )


def _cause(first: Recipe, other: Recipe) -> str:
    """Return what makes the validation data of two recipes differ."""
    facts = [recipe.data.model_dump(mode="json") for recipe in (first, other)]
    parts_data = not (first.data.validation and other.data.validation)
    names = ["validation", "validation_most", "render"]
    if parts_data:
        names += ["train", "validation_share"]
    differing = [f"data.{name}" for name in names if facts[0][name] != facts[1][name]]
    found = [
        f"{facts[0][name.removeprefix('data.')]!r} and {facts[1][name.removeprefix('data.')]!r}"
        for name in differing
    ]
    causes = [f"{name} differs ({values})" for name, values in zip(differing, found, strict=True)]
    if first.au_names != other.au_names:
        causes.append("au_names differ")
    if parts_data and first.seed != other.seed:
        causes.append(
            f"without data.validation each seed ({first.seed} and {other.seed}) parts the training data anew"
        )
    return ", and ".join(causes) or "their files changed between the runs"


def image_rate_of(sources: Sequence[EnsembleSource]) -> float | None:
    """Return the frames per second of the runs' own validation pictures, if their recipes state one."""
    return next((source.run.recipe.data.image_rate for source in sources if source.run is not None), None)
