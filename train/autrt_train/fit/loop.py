"""The training loop: draw, step, validate, save. A run is a function of its recipe and its seed.

Every step is seeded by its number, so a run that was stopped anywhere resumes bit for bit (on a CPU; GPU kernels
may add in another order).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from autrt.errors import UsageError
from autrt_train.fit import checkpoint
from autrt_train.fit.best_checkpoints import OVERALL, BestCheckpoints
from autrt_train.fit.divergence import DivergenceGuard
from autrt_train.fit.ema import Ema
from autrt_train.fit.optimiser import learning_rate, make_optimiser, set_learning_rate
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.fit.train_step import TrainStep
from autrt_train.fit.training_log import TrainingLog
from autrt_train.fit.validate import ValidationResult, validate
from autrt_train.loading.augment import draw_batch
from autrt_train.recipe import Recipe
from autrt_train.training_data import TrainingData
from autrt_train.training_loss import TrainingLoss
from autrt_train.training_network import TrainingNetwork, freeze_statistics, place_on_device
from autrt_train.types import Batch, Draw

LOG_EVERY = 10
"""Steps between lines in the log."""


@dataclass(slots=True)
class Progress:
    """Position of a run."""

    step: int = 0
    """Optimiser steps done."""
    validations: int = 0
    """Validations done."""


class TrainingLoop:
    """One training run in this process.

    Args:
        recipe: all settings.
        data: training and validation pictures with their loaders.
        training_network: on the CPU, with its start weights loaded.
        folder: of the run; `last.pt`, `weights/`, `best.json` and logs go there.
        group: this process among the run's.
        stop: when set, the run saves a checkpoint and returns after the current step.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingData,
        training_network: TrainingNetwork,
        folder: Path,
        group: ProcessGroup,
        stop: threading.Event,
    ) -> None:
        self.recipe, self.data, self.folder, self.group, self.stop = recipe, data, folder, group, stop
        settings = recipe.fit
        if settings.batch_norm == "sync":
            if group.device.type != "cuda":
                raise UsageError("fit.batch_norm = 'sync' needs GPUs: use 'train' on a CPU")
            converted: Any = torch.nn.SyncBatchNorm.convert_sync_batchnorm(training_network)
            training_network = converted
        self.training_network = place_on_device(
            training_network, group.device, channels_last=settings.channels_last
        )
        self.training_loss = TrainingLoss(recipe, data.train).to(group.device)
        self.optimiser = make_optimiser(self.training_network, recipe.optimiser)
        self.ema = Ema(self.training_network.network, settings.ema) if settings.ema else None
        self.best = BestCheckpoints(folder)
        self.progress = Progress()
        self.steps_an_epoch = data.plan.steps()
        self.steps = settings.steps or settings.epochs * self.steps_an_epoch
        self.guard = DivergenceGuard(settings.diverged_at, data.train)
        self._stepper = TrainStep(
            recipe, self._distributed(), self.training_loss, self.optimiser, group, data.teacher_targets
        )

    def _distributed(self) -> torch.nn.Module:
        if self.group.size == 1:
            return self.training_network
        places = [self.group.device] if self.group.device.type == "cuda" else None
        return DistributedDataParallel(self.training_network, device_ids=places)

    def run(self, training_log: TrainingLog | None) -> bool:
        """Train from the current step to the end.

        Args:
            training_log: of the leading process.

        Returns:
            True if the end was reached, False if the run was stopped.

        Raises:
            TrainingError: NaN or divergence.
            DiskFullError: a checkpoint could not be saved; the one before it is whole.
        """
        saved_s = time.monotonic()
        while self.progress.step < self.steps:
            epoch, first = divmod(self.progress.step, self.steps_an_epoch)
            with closing(self._batches(epoch, first)) as batches:
                for batch in batches:
                    self._step(batch, training_log)
                    validated = self._validate_if_due(training_log)
                    stopped, due = self._agree(time.monotonic() - saved_s > self.recipe.fit.save_every_s)
                    if validated or stopped or due:
                        self.save()
                        saved_s = time.monotonic()
                    if stopped:
                        return False
                    if self.progress.step >= self.steps:
                        break
        return True

    def _batches(self, epoch: int, first: int) -> Generator[Batch, None, None]:
        return self.data.train_loader.load(self._draws(epoch, first))

    def _draws(self, epoch: int, first: int) -> Iterator[Draw]:
        share = self.recipe.fit.batch // self.group.size
        seed, margin = self.recipe.seed, self.data.train.margin_px
        rows_of_steps = self.data.plan.batches(epoch, self.group.rank, self.group.size, first)
        for step, rows in enumerate(rows_of_steps, first):
            start = step * self.recipe.fit.batch + self.group.rank * share
            positions = np.arange(start, start + len(rows), dtype=np.int64)
            yield draw_batch(rows, positions, epoch, seed, self.recipe.augment, margin)

    def _step(self, batch: Batch, training_log: TrainingLog | None) -> None:
        step = self.progress.step
        self.training_network.train()
        if self.recipe.fit.batch_norm == "eval":
            freeze_statistics(self.training_network)
        lr = learning_rate(self.recipe.optimiser, step, self.steps_an_epoch, self.steps)
        set_learning_rate(self.optimiser, lr)
        facts = self._stepper.step(batch, step, self.guard)
        if self.ema is not None:
            self.ema.update(self.training_network.network)
        self.progress.step = step + 1
        if training_log is not None:
            write_line = self.progress.step % LOG_EVERY == 0 or self.progress.step in (1, self.steps)
            training_log.step(
                self.progress.step, {**facts, "lr": lr}, self.recipe.fit.batch, write_line=write_line
            )

    def _validate_if_due(self, training_log: TrainingLog | None) -> bool:
        every = max(1, round(self.recipe.fit.validate_every * self.steps_an_epoch))
        if self.progress.step % every and self.progress.step != self.steps:
            return False
        validation = self.validate()
        self.progress.validations += 1
        with self.group.fail_together():
            if self.group.is_leader:
                self._save_if_best(validation, training_log)
        return True

    def _save_if_best(self, validation: ValidationResult, training_log: TrainingLog | None) -> None:
        won = self.best.consider(self.progress.validations, validation.scores, self.weights())
        if training_log is not None:
            training_log.write_event(
                "look", self.progress.step, {**validation.facts, "look": self.progress.validations}
            )
            best = " (the best so far)" if OVERALL in won else ""
            training_log.print_line(f"after step {self.progress.step}: {validation.line}{best}")

    def validate(self) -> ValidationResult:
        """Validate the weights that would be saved: the averaged ones if there are any.

        Each process's BatchNorms have seen its own pictures. All validate with the leading one's statistics, which
        are the ones that are saved.
        """
        self.group.broadcast(self.training_network.buffers())
        if self.ema is not None:
            self.group.broadcast(self.ema.state.values())
        with self._averaged():
            return validate(self.training_network, self.data, self.recipe, self.group)

    def weights(self) -> dict[str, Tensor]:
        """Return the state dict to save, on the CPU."""
        state = self.ema.state if self.ema is not None else self.training_network.network.state_dict()
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def _averaged(self) -> _AveragedWeights:
        return _AveragedWeights(self.training_network.network, self.ema)

    def _agree(self, due: bool) -> tuple[bool, bool]:
        """Return what all processes do next: stop, if any was asked to; save, if it is due in the leading one.

        Processes that decided alone would wait for each other in different operations for ever.
        """
        wishes = torch.tensor([float(self.stop.is_set()), float(due and self.group.is_leader)])
        stop, save = (self.group.all_sum(wishes) > 0).tolist()
        return stop, save

    def save(self) -> None:
        """Write `last.pt` atomically; then delete weights that are no longer the best.

        Raises:
            DiskFullError: this process could not save it.
            TrainingError: the leading process could not save it.
        """
        with self.group.fail_together():
            if self.group.is_leader:
                checkpoint.save(self.folder / checkpoint.LAST, self._state())
                self.best.delete_unused()

    def _state(self) -> dict[str, Any]:
        return {
            "schema": "autrt-checkpoint/1",
            "fingerprint": self.fingerprint(),
            "step": self.progress.step,
            "looks": self.progress.validations,
            "learner": self.training_network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self._stepper.scaler.state_dict(),
            "ema": None if self.ema is None else {"steps": self.ema.steps, "state": self.ema.state},
            "best": self.best.state(),
            "guard": self.guard.state(),
        }

    def resume(self) -> None:
        """Restore the state of `last.pt`.

        Raises:
            UsageError: the file is missing, or belongs to another recipe or other data.
        """
        path = self.folder / checkpoint.LAST
        state = checkpoint.load(path)
        if state.get("fingerprint") != self.fingerprint():
            raise UsageError(
                f"{path} belongs to another recipe or other data: expected {self.fingerprint()}, found "
                f"{state.get('fingerprint')}; go on with the settings it was begun with, or take another --out"
            )
        self.training_network.load_state_dict(state["learner"])
        self.optimiser.load_state_dict(state["optimiser"])
        self._stepper.scaler.load_state_dict(state["scaler"])
        if self.ema is not None:
            self.ema.steps = state["ema"]["steps"]
            for name, value in state["ema"]["state"].items():
                self.ema.state[name].copy_(value)
        self.best.restore(state["best"])
        self.guard.restore(state["guard"])
        self.progress = Progress(state["step"], state["looks"])

    def fingerprint(self) -> dict[str, Any]:
        """Return everything that must be the same for a run to be resumed."""
        settings = self.recipe.model_dump(mode="json")
        # Where the learning rate does not depend on the run's length, a run may be made longer.
        length = () if self.recipe.optimiser.schedule == "one-cycle" else ("epochs", "steps")
        for key in (*length, "save_every_s"):
            settings["fit"].pop(key)
        for section in ("loader", "data", "model"):
            settings.pop(section)
        if (
            distill := settings.pop("distill")
        ) is not None:  # the data's digest covers the teacher and its data
            settings["distill"] = {
                key: distill[key] for key in ("au_names", "task", "soft", "temperature", "features")
            }
        return {"recipe": settings, "data": self.data.digest()}


class _AveragedWeights:
    """Context in which the network has its averaged weights, if there are any."""

    def __init__(self, network: torch.nn.Module, ema: Ema | None) -> None:
        self._network, self._ema = network, ema
        self._own: dict[str, Tensor] = {}

    def __enter__(self) -> None:
        if self._ema is not None:
            self._own = {name: value.clone() for name, value in self._network.state_dict().items()}
            self._network.load_state_dict(self._ema.state)

    def __exit__(self, *_: object) -> None:
        if self._ema is not None:
            self._network.load_state_dict(self._own)
