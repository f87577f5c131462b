"""The data of a run: sources joined, folds apart, a plan of batches, and loaders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from autrt_train.annotations.check import require_template, require_trainable
from autrt_train.annotations.findings import Findings
from autrt_train.annotations.folds import split_by
from autrt_train.annotations.read import DataSpec, Mix, read_data
from autrt_train.distill.lesson import Lesson
from autrt_train.fit.world import World
from autrt_train.loading.loader import Loader, open_loader
from autrt_train.mixing import mixed
from autrt_train.recipe import Recipe
from autrt_train.rendered import rendered_root
from autrt_train.sampling.plan import EpochPlan
from autrt_train.types import I8, DataError, Index

TEMPLATE: Final = "arcface-112"
"""The alignment that every network here learns."""


@dataclass(slots=True)
class Data:
    """What a run learns from and is judged by."""

    train: Index
    validation: Index
    plan: EpochPlan
    train_loader: Loader
    validation_loader: Loader
    lesson: Lesson | None = None
    """What a teacher says about the pictures, if there is one."""

    def digest(self) -> str:
        """SHA-256 (hex) over pictures, labels and teacher of the training: what a run may not change under way."""
        found = hashlib.sha256()
        train = self.train
        for array in (
            train.paths, train.labels, train.classes, train.targets, train.weights, train.source
        ):  # fmt: skip
            if array is not None:
                found.update(np.ascontiguousarray(array).view(np.uint8).tobytes())
        if train.source_shares:
            found.update(repr(train.source_shares).encode())
        if self.lesson is not None:
            found.update(self.lesson.digest.encode())
        return found.hexdigest()

    def close(self) -> None:
        """Stop the loaders."""
        self.train_loader.close()
        self.validation_loader.close()


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a recipe's sources hold, fit to be trained on or not."""

    train: Index
    validation: Index
    findings: list[tuple[str, Findings]]
    """Source → what was irregular in it."""


def gather(recipe: Recipe, world: World, say: Callable[[str], object]) -> Gathered:
    """Read a recipe's sources. Rendered faces are made first where the recipe asks for them and they are not there.

    Args:
        recipe: names the sources.
        world: this process among the run's; one of them draws.
        say: told that drawing begins.

    Raises:
        DataError: a source is missing or wrong, or the recipe names none.
    """
    train_specs, validation_specs = list(recipe.data.train), list(recipe.data.validation)
    if recipe.data.render is not None:
        root = rendered_root(recipe.data.render, world, say)
        options: dict[str, Any] = {} if recipe.task == "au" else {"task": recipe.task}
        how = recipe.data.rendered.model_dump(exclude_defaults=True)
        rendered = DataSpec(kind="rendered", root=root, options=options, **how)
        train_specs.append(rendered.model_copy(update={"split": "train"}))
        if not validation_specs:
            validation_specs.append(rendered.model_copy(update={"split": "validation"}))
    if not train_specs:
        raise DataError("the recipe names no training data: set data.train or data.render")
    parts, findings = _read(recipe, train_specs)
    train = mixed(parts, train_specs)
    if validation_specs:
        parts, more = _read(recipe, validation_specs)
        validation = mixed(parts, [Mix()] * len(parts))  # is judged by all its labels alike
        findings += more
    else:
        train, validation = split_by(train, recipe.data.validation_share, recipe.seed)
    return Gathered(train, _thinned(validation, recipe.data.validation_most), findings)


def read_indices(recipe: Recipe, world: World, say: Callable[[str], object]) -> tuple[Index, Index]:
    """Training and validation pictures, fit for what the recipe learns.

    Args:
        recipe: names the sources.
        world: this process among the run's.
        say: told what was irregular.

    Raises:
        DataError: as `gather`; or a fold is empty, an AU has no positive, the crops follow another template.
    """
    found = gather(recipe, world, say)
    tell_findings(found, say)
    require_fit(recipe, found)
    return found.train, found.validation


def tell_findings(found: Gathered, say: Callable[[str], object]) -> None:
    """Say what was irregular in the sources."""
    for name, findings in found.findings:
        for line in findings.lines():
            say(f"{name}: {line}")


def require_fit(recipe: Recipe, found: Gathered) -> None:
    """Refuse data that the recipe cannot be trained on.

    Raises:
        DataError: says what is lacking.
    """
    require_trainable(found.train, recipe.au_names if recipe.task == "au" else ())
    require_judged(found)


def require_judged(found: Gathered) -> None:
    """Refuse data of another alignment, or without pictures to judge by.

    Raises:
        DataError: says what is wrong.
    """
    require_template(found.train, TEMPLATE, "the network")
    if not len(found.validation):
        raise DataError("the validation data hold no picture: check data.validation")


def _read(recipe: Recipe, specs: Sequence[DataSpec]) -> tuple[list[Index], list[tuple[str, Findings]]]:
    parts: list[Index] = []
    told: list[tuple[str, Findings]] = []
    for spec in specs:
        index, findings = read_data(spec)
        told.append((f"{spec.kind} {spec.root}", findings))
        parts.append(index.with_labels(recipe.au_names) if recipe.task == "au" else _classes_alone(index))
    return parts, told


def _classes_alone(index: Index) -> Index:
    """Pictures with a class, without AU labels."""
    if index.classes is None:
        raise DataError(
            "the recipe learns classes, but its data have none: expected expressions or identities"
        )
    return replace(index.with_labels(()), targets=None).take(index.classes >= 0)


def _thinned(index: Index, most: int | None) -> Index:
    if most is None or len(index) <= most:
        return index
    return index.take(np.linspace(0, len(index) - 1, most).astype(np.int64))


def make_plan(recipe: Recipe, train: Index, labels: I8 | None = None) -> EpochPlan:
    """The batches of a recipe's run.

    Args:
        recipe: how to choose.
        train: the pictures.
        labels: (N, L) int8 to choose by, if others than the pictures' own.

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


def open_data(recipe: Recipe, world: World, say: Callable[[str], object]) -> Data:
    """Everything that a run reads.

    Raises:
        DataError: as `read_indices`.
        MissingDependencyError: the loader's library is not installed.
    """
    train, validation = read_indices(recipe, world, say)
    plan = make_plan(recipe, train)
    return Data(
        train,
        validation,
        plan,
        open_loader_of(recipe, train, world),
        open_loader_of(recipe, validation, world),
    )


def open_loader_of(recipe: Recipe, index: Index, world: World) -> Loader:
    """The recipe's loader for some pictures.

    Raises:
        MissingDependencyError: its library is not installed.
    """
    settings = recipe.loader
    return open_loader(
        settings.name,
        index,
        threads=settings.threads,
        device=str(world.device),
        prefetch=settings.prefetch,
        cache_bytes=int(settings.cache_gb * 1e9),
    )
