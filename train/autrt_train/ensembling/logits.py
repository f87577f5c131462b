"""What every candidate says about the validation pictures: computed once, and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from autrt.model.architectures import architecture_of
from autrt.model.digest import json_digest
from autrt.types import F32
from autrt_train.cached_array import cached_array
from autrt_train.ensembling.candidates import Candidate, Source
from autrt_train.ensembling.validation import Validation
from autrt_train.fit.processes import World
from autrt_train.fit.validate import run
from autrt_train.learner import Learner
from autrt_train.loading.loader import Loader
from autrt_train.types import TrainingError


@dataclass(frozen=True, slots=True)
class Entrant:
    """A network that takes part, under one name however often it was named."""

    candidate: Candidate
    """The first of those that are this network."""
    digest: str
    """SHA-256 (hex) over architecture and weights."""
    origins: tuple[str, ...]


def weights_digest(network: nn.Module) -> str:
    """SHA-256 (hex) over a network's architecture and state dict, whatever file they came from."""
    found = hashlib.sha256(json_digest(architecture_of(network)).encode())
    for name, tensor in network.state_dict().items():
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def entrants_of(sources: Sequence[Source]) -> tuple[list[Entrant], list[tuple[int, ...]]]:
    """The M different networks, and of each source the numbers of its networks; sources with the same ones are one.

    Raises:
        UsageError: weights are damaged or do not fit.
    """
    entrants: dict[str, Entrant] = {}
    groups: list[tuple[int, ...]] = []
    for source in sources:
        mine: set[int] = set()
        for candidate in source.candidates:
            digest = weights_digest(candidate.network())
            known = entrants.get(digest, Entrant(candidate, digest, ()))
            origins = tuple(dict.fromkeys((*known.origins, candidate.origin)))
            entrants[digest] = replace(known, origins=origins)
            mine.add(list(entrants).index(digest))
        groups.append(tuple(sorted(mine)))
    return list(entrants.values()), list(dict.fromkeys(groups))


def validation_logits(
    entrant: Entrant, validation: Validation, loader: Loader, world: World, say: Callable[[str], object]
) -> F32:
    """(N, A) float32 logits of the validation pictures, from the cache where they are known.

    Args:
        entrant: the network.
        validation: the pictures.
        loader: of these pictures.
        world: the device that computes.
        say: told that the network is run.

    Raises:
        UsageError: the weights are damaged.
        TrainingError: the network gives NaN.
    """
    candidate, shape = entrant.candidate, (len(validation.index), len(entrant.candidate.au_names))

    def compute() -> F32:
        say(f"{candidate.name}: {shape[0]} pictures")
        learner = Learner(candidate.network()).to(world.device)
        found = run(learner, validation.index, loader, world, "logits")
        if not np.isfinite(found).all():
            raise TrainingError(f"{candidate.origin}: the network's logits are not all finite numbers")
        return found

    return cached_array(f"logits/{validation.digest[:32]}", f"{entrant.digest}.npy", compute, shape)
