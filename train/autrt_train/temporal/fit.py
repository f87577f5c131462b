"""The fit of a temporal network: epochs over windows, early stopping, and checkpoints to resume from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autrt.errors import UsageError
from autrt.model.temporal import TemporalNetwork
from autrt.postprocess.ensemble import sigmoid
from autrt.postprocess.temporal import TICK_RATE, temporal_logits
from autrt.types import F32
from autrt_train.fit import checkpoint
from autrt_train.losses import AuLoss
from autrt_train.recipe import Recipe
from autrt_train.stop_request import StopRequest
from autrt_train.temporal.sequences import VideoSequence
from autrt_train.temporal.windows import WindowBatch, moments, tick_runs, window_batches
from autrt_train.types import I8, MISSING, TrainingError


class TorchTicks:
    """A temporal network in torch as an `autrt.postprocess.temporal.TickNetwork`."""

    def __init__(self, network: TemporalNetwork) -> None:
        self._network = network
        self.n_features, self.reach_ticks = network.config.features, network.config.reach_ticks

    def run(self, inputs: F32, known: F32) -> F32:
        """Return (T, A) float32 logits; see `TickNetwork`."""
        with torch.no_grad():
            found = self._network(torch.from_numpy(inputs)[None], torch.from_numpy(known)[None])
        return found[0].numpy()


@dataclass(slots=True)
class FitState:
    """Progress of a fit."""

    epoch: int = 0
    """Epochs done."""
    best_epoch: int = 0
    """Epoch after which the validation loss was the lowest; 0: the windows alone."""
    best_loss: float = float("inf")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted network, with its best weights, and the state at its end."""

    network: TemporalNetwork
    state: FitState
    finished: bool


def fit_temporal(
    network: TemporalNetwork,
    train: Sequence[VideoSequence],
    validation: Sequence[VideoSequence],
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool,
    halt: StopRequest,
    log: Callable[[str], object],
) -> Fitted:
    """Fit a network, and leave it with the weights of its best epoch.

    What an epoch does depends on the seed and its number alone, so a resumed fit gives the same network.

    Args:
        network: newly initialised.
        train: videos to learn from.
        validation: videos of other people, which choose the epoch.
        recipe: has a section `temporal`.
        folder: of the run; takes `last.pt` and `log.jsonl` after every epoch.
        resume: go on from `last.pt`.
        halt: ends the fit after the epoch under way.
        log: takes a line an epoch.

    Raises:
        UsageError: there is nothing to resume, or it is of another network.
        TrainingError: the loss is not finite.
        DiskFullError: a checkpoint could not be saved; the one before it is whole.
    """
    settings = recipe.temporal
    assert settings is not None
    parts = tick_runs(train)
    network.normalise_by(*map(torch.from_numpy, moments(parts)))
    optimiser = torch.optim.AdamW(network.parameters(), settings.lr, weight_decay=settings.weight_decay)
    state, best = FitState(), {name: value.clone() for name, value in network.state_dict().items()}
    if resume:
        state, best = _resumed(folder, network, optimiser)
    else:
        state.best_loss = validation_loss(network, validation)
        log(f"windows alone: validation loss {state.best_loss:.4f}")
    loss = AuLoss(recipe.loss, network.config.au_names)
    length = round(settings.window_s * TICK_RATE)
    while state.epoch < settings.epochs and state.epoch - state.best_epoch < settings.patience:
        if halt.event.is_set():
            return Fitted(network, state, finished=False)
        rng = np.random.default_rng([recipe.seed, state.epoch])
        torch.manual_seed(int(rng.integers(2**31)))
        network.train()
        losses = [
            _step(network, loss, optimiser, batch)
            for batch in window_batches(parts, length, settings.batch, rng)
        ]
        state.epoch += 1
        found = validation_loss(network, validation)
        if found < state.best_loss:
            state.best_epoch, state.best_loss = state.epoch, found
            best = {name: value.clone() for name, value in network.state_dict().items()}
        _record(folder, network, optimiser, state, best, float(np.mean(losses)), found)
        log(f"epoch {state.epoch}: loss {np.mean(losses):.4f}, validation {found:.4f}")
    network.load_state_dict(best)
    return Fitted(network.eval(), state, finished=True)


def validation_logits(network: TemporalNetwork, sequences: Sequence[VideoSequence]) -> list[F32]:
    """Return each video's (F, A) float32 logits, computed as `autrt infer` does."""
    ticks = TorchTicks(network.eval())
    return [
        temporal_logits(ticks, one.logits, one.features, one.track, one.time_s, one.interval_s)
        for one in sequences
    ]


def validation_loss(network: TemporalNetwork, sequences: Sequence[VideoSequence]) -> float:
    """Return the mean, over the AUs that have labels, of their binary cross entropy.

    Raises:
        TrainingError: it is not finite.
    """
    probability = sigmoid(np.concatenate(validation_logits(network, sequences)))
    loss = mean_cross_entropy(probability, np.concatenate([one.labels for one in sequences]))
    if not np.isfinite(loss):
        raise TrainingError("the temporal network's validation loss is not finite: lower temporal.lr")
    return loss


def mean_cross_entropy(probability: F32, labels: I8) -> float:
    """Return the mean, over the AUs that have labels, of the binary cross entropy of (N, A) probabilities."""
    safe = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    loss = -np.log(np.where(labels == 1, safe, 1 - safe))
    known = labels != MISSING
    counts = known.sum(axis=0)
    return float(((loss * known).sum(axis=0)[counts > 0] / counts[counts > 0]).mean())


def _step(
    network: TemporalNetwork,
    loss: AuLoss,
    optimiser: torch.optim.Optimizer,
    batch: WindowBatch,
) -> float:
    found = network(torch.from_numpy(batch.inputs), torch.from_numpy(batch.known))
    at = torch.from_numpy((batch.labels != MISSING).any(axis=2))
    chosen = torch.from_numpy(batch.labels)[at]
    terms = loss(found[at], chosen, noise=torch.rand(chosen.shape))
    if not torch.isfinite(terms["total"]):
        raise TrainingError("the temporal network's loss is not finite: lower temporal.lr")
    optimiser.zero_grad()
    terms["total"].backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return terms["total"].item()


def _record(
    folder: Path,
    network: TemporalNetwork,
    optimiser: torch.optim.Optimizer,
    state: FitState,
    best: dict[str, torch.Tensor],
    loss: float,
    validation: float,
) -> None:
    content: dict[str, Any] = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "best": best,
        "epoch": state.epoch,
        "best_epoch": state.best_epoch,
        "best_loss": state.best_loss,
    }
    checkpoint.save(folder / checkpoint.LAST, content)
    line = {"epoch": state.epoch, "loss": round(loss, 6), "validation_loss": round(validation, 6)}
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _resumed(
    folder: Path, network: TemporalNetwork, optimiser: torch.optim.Optimizer
) -> tuple[FitState, dict[str, torch.Tensor]]:
    content = checkpoint.load(folder / checkpoint.LAST)
    try:
        network.load_state_dict(content["network"])
        optimiser.load_state_dict(content["optimiser"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise UsageError(f"{folder / checkpoint.LAST} is of another network: take another --out") from error
    return FitState(content["epoch"], content["best_epoch"], content["best_loss"]), content["best"]
