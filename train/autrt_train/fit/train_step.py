"""One optimiser step: micro-batches forward and backward, gradients summed, then the update."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from autrt.errors import UsageError
from autrt.types import F32
from autrt_train.fit.divergence import DivergenceGuard
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.losses import is_perturbed, perturb
from autrt_train.recipe import Recipe
from autrt_train.teacher.targets import TeacherTargets
from autrt_train.training_loss import DeviceBatch, TrainingLoss
from autrt_train.types import Batch

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TrainStep:
    """Performs optimiser steps.

    Losses are sums divided by counts over the whole step (all micro-batches of all processes), so neither the
    number of processes nor the size of micro-batches changes what is minimised.

    Args:
        recipe: batch, precision, clipping, seed.
        network: a `TrainingNetwork`, or one inside DistributedDataParallel.
        training_loss: the losses.
        optimiser: of the network's parameters.
        group: this process among the run's.
        teacher_targets: of the training pictures, if there is a teacher.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        training_loss: TrainingLoss,
        optimiser: torch.optim.Optimizer,
        group: ProcessGroup,
        teacher_targets: TeacherTargets | None = None,
    ) -> None:
        precision, kind = recipe.fit.precision, group.device.type
        if precision == "fp16" and kind == "cpu":
            raise UsageError("fit.precision = 'fp16' needs a GPU: use 'bf16' or 'f32' on a CPU")
        self._recipe, self._network, self._training_loss = recipe, network, training_loss
        self._optimiser, self._group, self._teacher_targets = optimiser, group, teacher_targets
        self._cast: Any = (
            torch.autocast(kind, AUTOCAST[precision]) if precision in AUTOCAST else nullcontext()
        )
        self.scaler = torch.amp.GradScaler(kind, enabled=precision == "fp16")

    def step(self, batch: Batch, number: int, guard: DivergenceGuard) -> dict[str, float]:
        """Train on one batch.

        Args:
            batch: this process's share.
            number: of the step, from 0; with the recipe's seed it decides dropout and label smoothing.
            guard: checks the losses before the weights change.

        Returns:
            Each term and their sum, "loss", over all processes; "gradient_norm" if it is clipped.

        Raises:
            TrainingError: the guard found NaN or divergence.
        """
        seed = np.random.SeedSequence([self._recipe.seed, number, self._group.rank]).generate_state(1)
        torch.manual_seed(int(seed[0]))
        self._optimiser.zero_grad(set_to_none=True)
        facts = self._gradients(batch, number)
        guard.check(facts, number, batch.rows)
        self.scaler.unscale_(self._optimiser)
        clip = self._recipe.optimiser.clip_norm
        if clip is not None:
            norm = nn.utils.clip_grad_norm_(self._network.parameters(), clip)
            facts["gradient_norm"] = float(norm)
        self.scaler.step(self._optimiser)
        self.scaler.update()
        return facts

    def _gradients(self, batch: Batch, number: int) -> dict[str, float]:
        noise, perturbations = self._noise(batch, number), self._perturbations(batch, number)
        on_device = DeviceBatch.of(batch, self._group.device, noise, self._teacher_targets, perturbations)
        counts = self._group.all_sum(self._training_loss.counts(on_device))
        most = self._recipe.fit.micro_batch or len(batch)
        # Nearly equal parts: a last part of one picture would be too small for BatchNorm.
        parts = on_device.split(math.ceil(len(batch) / most))
        sums: dict[str, Tensor] = {}
        for i, part in enumerate(parts):
            with self._without_sync(i < len(parts) - 1):
                with self._cast:
                    outputs = self._forward(part)
                losses = self._training_loss(outputs, part, counts)
                # DistributedDataParallel averages over processes, but this is a share of one sum.
                self.scaler.scale(losses["loss"] * self._group.size).backward()
            for name, value in losses.items():
                sums[name] = sums.get(name, torch.zeros(())) + value.detach().float().cpu()
        values = self._group.all_sum(torch.stack(list(sums.values())))
        return dict(zip(sums, values.tolist(), strict=True))

    def _forward(self, part: DeviceBatch) -> dict[str, Tensor]:
        """Return the network's outputs, and as `again` the logits of perturbed second views."""
        if part.perturbations is None:
            return self._network(part.pixels, part.classes)
        n, twice = len(part.pixels), is_perturbed(part.perturbations)
        again = perturb(part.pixels[twice], part.perturbations[twice], self._recipe.steady)
        # In one batch, so that BatchNorm normalises both views with the same statistics.
        losses: dict[str, Tensor] = self._network(torch.cat([part.pixels, again]), None)
        return {**{name: value[:n] for name, value in losses.items()}, "again": losses["logits"][n:]}

    def _noise(self, batch: Batch, number: int) -> Tensor:
        """Return (B, L) uniform numbers for label smoothing."""
        rng = np.random.default_rng([self._recipe.seed, number])
        return self._share(rng.random((self._recipe.fit.batch, batch.labels.shape[1]), np.float32))

    def _perturbations(self, batch: Batch, number: int) -> Tensor | None:
        """Return (B, 4) normal numbers for pictures that are seen twice, NaN for the others."""
        steady = self._recipe.steady
        if not steady.weight:
            return None
        rng = np.random.default_rng([self._recipe.seed, number, 1])
        whole = rng.standard_normal((self._recipe.fit.batch, 4), np.float32)
        whole[rng.random(len(whole)) >= steady.share] = np.nan
        return self._share(whole)

    def _share(self, whole: F32) -> Tensor:
        """Return this process's rows of the whole step's numbers, the same however the step is divided."""
        return torch.from_numpy(np.array_split(whole, self._group.size)[self._group.rank])

    def _without_sync(self, yes: bool) -> Any:
        if yes and isinstance(self._network, DistributedDataParallel):
            return self._network.no_sync()
        return nullcontext()
