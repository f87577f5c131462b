"""The data of a run: sources concatenated, split into folds, an epoch plan, and loaders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from autrt.machine import available_cores
from autrt_train.annotations.check import require_template, require_trainable
from autrt_train.annotations.data_issues import DataIssues
from autrt_train.annotations.folds import split_by
from autrt_train.annotations.read import DataSpec, Mix, read_data
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.loading.loader import Loader, open_loader
from autrt_train.mixing import mix_sources
from autrt_train.recipe import Recipe
from autrt_train.rendered_faces import rendered_faces_folder
from autrt_train.sampling.plan import EpochPlan
from autrt_train.smooth_pictures import frame_order
from autrt_train.teacher.targets import TeacherTargets
from autrt_train.types import I8, DataError, Index

TEMPLATE: Final = "arcface-112"
"""Alignment template of the crops that every network is trained on."""


@dataclass(slots=True, kw_only=True)
class TrainingData:
    """Training and validation data of a run."""

    train: Index
    validation: Index
    plan: EpochPlan
    train_loader: Loader
    validation_loader: Loader
    teacher_targets: TeacherTargets | None = None
    """Targets from a teacher, if there is one."""

    def digest(self) -> str:
        """Return the SHA-256 (hex) over training pictures, labels and teacher, which a resumed run must match."""
        found = hashlib.sha256()
        train = self.train
        for array in (
            train.paths, train.labels, train.classes, train.targets, train.weights, train.source
        ):  # fmt: skip
            if array is not None:
                found.update(np.ascontiguousarray(array).view(np.uint8).tobytes())
        if train.source_shares:
            found.update(repr(train.source_shares).encode())
        if self.teacher_targets is not None:
            found.update(self.teacher_targets.digest.encode())
        return found.hexdigest()

    def close(self) -> None:
        """Stop the loaders."""
        self.train_loader.close()
        self.validation_loader.close()


@dataclass(frozen=True, slots=True)
class IndexedData:
    """Training and validation pictures of a recipe's sources, not yet checked."""

    train: Index
    validation: Index
    findings: list[tuple[str, DataIssues]]
    """(part and source, irregularities found in it)."""


def index_data(recipe: Recipe, group: ProcessGroup, log: Callable[[str], object]) -> IndexedData:
    """Read a recipe's sources, rendering faces first if the recipe asks for them and they are missing.

    Args:
        recipe: gives the sources.
        group: this process among the run's; one of them draws.
        log: called with a line when rendering begins.

    Raises:
        DataError: a source is missing or wrong, or the recipe names none.
    """
    train_specs, validation_specs = list(recipe.data.train), list(recipe.data.validation)
    if recipe.data.render is not None:
        root = rendered_faces_folder(recipe.data.render, group, log)
        options: dict[str, Any] = {} if recipe.task == "au" else {"task": recipe.task}
        mix = recipe.data.rendered.model_dump(exclude_defaults=True)
        rendered = DataSpec(kind="rendered", root=root, options=options, **mix)
        train_specs.append(rendered.model_copy(update={"split": "train"}))
        if not validation_specs:
            validation_specs.append(rendered.model_copy(update={"split": "validation"}))
    if not train_specs:
        raise DataError("the recipe names no training data: set data.train or data.render")
    parts, findings = _read(recipe, train_specs, "train")
    train = mix_sources(parts, train_specs)
    if validation_specs:
        parts, more = _read(recipe, validation_specs, "validation")
        validation = mix_sources(parts, [Mix()] * len(parts))  # all its labels count equally
        findings += more
    else:
        train, validation = split_by(train, recipe.data.validation_share, recipe.seed)
    return IndexedData(train, _thinned(validation, recipe.data.validation_most), findings)


def read_indices(recipe: Recipe, group: ProcessGroup, log: Callable[[str], object]) -> tuple[Index, Index]:
    """Read the training and validation pictures and check that the recipe can be trained on them.

    Args:
        recipe: gives the sources.
        group: this process among the run's.
        log: called with irregularities of the data.

    Raises:
        DataError: as `index_data`; or a fold is empty, an AU has no positive, the crops follow another template.
    """
    found = index_data(recipe, group, log)
    report_findings(found, log)
    require_usable(recipe, found)
    return found.train, found.validation


def report_findings(found: IndexedData, log: Callable[[str], object]) -> None:
    """Log the irregularities found in the sources."""
    for name, findings in found.findings:
        for line in findings.lines():
            log(f"{name}: {line}")


def require_usable(recipe: Recipe, found: IndexedData) -> None:
    """Refuse data that the recipe cannot be trained on.

    Raises:
        DataError: training or validation data are insufficient; names what is missing.
    """
    require_trainable(found.train, recipe.au_names if recipe.task == "au" else ())
    require_validation(found, recipe.data.image_rate if recipe.task == "au" else None)


def require_validation(found: IndexedData, image_rate: float | None) -> None:
    """Refuse data of another alignment, or without validation pictures.

    Raises:
        DataError: the template differs, the validation data are empty, or are said to be consecutive frames and
            have several pictures of one.
    """
    require_template(found.train, TEMPLATE, "the network")
    if image_rate is not None:
        frame_order(found.validation)
    if not len(found.validation):
        raise DataError("the validation data hold no picture: check data.validation")


def _read(
    recipe: Recipe, specs: Sequence[DataSpec], part: str
) -> tuple[list[Index], list[tuple[str, DataIssues]]]:
    """Read the sources of a part; both parts may have sources of one kind and root, so issues name the part."""
    parts: list[Index] = []
    findings: list[tuple[str, DataIssues]] = []
    for spec in specs:
        index, irregular = read_data(spec)
        findings.append((f"{part}: {spec.kind} {spec.root}", irregular))
        parts.append(index.with_labels(recipe.au_names) if recipe.task == "au" else _classes_alone(index))
    return parts, findings


def _classes_alone(index: Index) -> Index:
    """Return the pictures that have a class, without AU labels."""
    if index.classes is None:
        raise DataError(
            "the recipe learns classes, but its data have none: expected expressions or identities"
        )
    return replace(index.with_labels(()), targets=None).take(index.classes >= 0)


def _thinned(index: Index, most: int | None) -> Index:
    if most is None or len(index) <= most:
        return index
    return index.take(np.linspace(0, len(index) - 1, most).astype(np.int64))


def make_epoch_plan(recipe: Recipe, train: Index, labels: I8 | None = None) -> EpochPlan:
    """Plan the batches of a recipe's run.

    Args:
        recipe: sampling, batch size and seed.
        train: the training pictures.
        labels: (N, L) int8 to balance by; None: the pictures' own.

    Raises:
        DataError, UsageError: as `EpochPlan`.
    """
    return EpochPlan(
        train.labels if labels is None else labels,
        recipe.sampling,
        recipe.fit.batch,
        recipe.seed,
        label_names=train.label_names,
        classes=train.classes,
        source=train.source,
        source_shares=train.source_shares,
    )


def open_data(recipe: Recipe, group: ProcessGroup, log: Callable[[str], object]) -> TrainingData:
    """Open all data of a run without a teacher.

    Raises:
        DataError: as `read_indices`.
        MissingDependencyError: the loader's library is not installed.
    """
    train, validation = read_indices(recipe, group, log)
    plan = make_epoch_plan(recipe, train)
    return TrainingData(
        train=train,
        validation=validation,
        plan=plan,
        train_loader=open_recipe_loader(recipe, train, group),
        validation_loader=open_recipe_loader(recipe, validation, group),
    )


def open_recipe_loader(recipe: Recipe, index: Index, group: ProcessGroup) -> Loader:
    """Open the recipe's loader for an index; by default the processes of one machine share its cores.

    Raises:
        MissingDependencyError: its library is not installed.
    """
    settings = recipe.loader
    return open_loader(
        settings.name,
        index,
        threads=settings.threads or max(1, available_cores() // group.processes_here),
        device=str(group.device),
        prefetch=settings.prefetch,
        cache_bytes=int(settings.cache_gb * 1e9),
    )
