"""The output of `autrt train --dry-run`."""

from __future__ import annotations

import os
from collections.abc import Iterator

from autrt.errors import UsageError
from autrt_train.cost_estimate import CostEstimate, estimate_cost
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.read_recipe import recipe_json, require_places
from autrt_train.recipe import Recipe
from autrt_train.training_data import make_epoch_plan, read_indices
from autrt_train.types import DataError

GB = 1e9
PROCESSES = 4
"""Processes that memory is told for beside a single one."""


def dry_run_lines(recipe: Recipe) -> Iterator[str]:
    """Yield the resolved recipe, its cost, and its steps if the data are available; nothing is rendered."""
    yield recipe_json(recipe).rstrip()
    if recipe.finetune is not None:
        yield f"the last layer of {recipe.finetune.start!r} is taught; nothing was read: leave --dry-run out"
        return
    if recipe.temporal is not None:
        yield f"a temporal network is trained for {recipe.temporal.start!r}; nothing was read: leave --dry-run out"
        return
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    estimate = estimate_cost(recipe)
    yield (
        f"parameters {estimate.size.parameters / 1e6:.1f} M ({estimate.size.trainable / 1e6:.1f} M trained), "
        f"{estimate.size.flops / 1e9:.2f} GFLOP a picture (three times that to learn from it)"
    )
    yield _memory(estimate, processes)
    if processes == 1 and recipe.fit.batch >= PROCESSES:
        yield _memory(estimate, PROCESSES)
    yield from _steps(recipe)


def _memory(estimate: CostEstimate, processes: int) -> str:
    """Return a line on the memory of each process; gradients of the largest maps come on top for moments."""
    each = "memory" if processes == 1 else f"memory of each of {processes} processes"
    return (
        f"{each}: {estimate.state_bytes(processes) / GB:.2f} GB for weights, gradients and optimiser, "
        f"{estimate.activations_bytes(processes) / GB:.2f} GB for {estimate.rows(processes)} pictures at a time"
    )


def _steps(recipe: Recipe) -> Iterator[str]:
    if recipe.distill is not None and recipe.distill.videos:
        yield f"data: the faces in {', '.join(map(str, recipe.distill.videos))}, found when the run begins"
        if recipe.data.render is None and not recipe.data.train:
            return
    if recipe.data.render is not None:
        faces = recipe.data.render
        yield f"data: {faces.people * faces.per_person * 2} rendered pictures of {faces.people} people"
        return
    try:
        require_places(recipe)
        train, validation = read_indices(recipe, ProcessGroup(), lambda _: None)
    except (DataError, UsageError) as error:
        yield f"steps: not known, as the data are not there: {error}"
        return
    steps = make_epoch_plan(recipe, train).steps()
    total = recipe.fit.steps or steps * recipe.fit.epochs
    yield f"data: {len(train)} pictures to train on, {len(validation)} to validate on"
    yield f"steps: {steps} an epoch, {total} in all, {recipe.fit.batch} pictures each"
