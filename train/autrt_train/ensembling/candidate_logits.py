"""Logits of every candidate for the validation pictures, computed once and cached in the user's cache folder."""

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
from autrt_train.ensembling.candidates import Candidate, EnsembleSource
from autrt_train.ensembling.validation_pictures import ValidationPictures
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.fit.validate import predict
from autrt_train.loading.loader import Loader
from autrt_train.training_network import TrainingNetwork
from autrt_train.types import TrainingError


@dataclass(frozen=True, slots=True)
class UniqueNetwork:
    """A candidate network, listed once however often it was named."""

    candidate: Candidate
    """The first candidate with this network."""
    digest: str
    """SHA-256 (hex) over architecture and weights."""
    origins: tuple[str, ...]


def weights_digest(network: nn.Module) -> str:
    """Return the SHA-256 (hex) over a network's architecture and state dict, whatever file they came from."""
    found = hashlib.sha256(json_digest(architecture_of(network)).encode())
    for name, tensor in network.state_dict().items():
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def unique_networks(sources: Sequence[EnsembleSource]) -> tuple[list[UniqueNetwork], list[tuple[int, ...]]]:
    """Return the M different networks, and the numbers of each source's networks; equal sources are merged.

    Raises:
        UsageError: weights are damaged or do not fit.
    """
    networks: dict[str, UniqueNetwork] = {}
    groups: list[tuple[int, ...]] = []
    for source in sources:
        own_networks: set[int] = set()
        for candidate in source.candidates:
            digest = weights_digest(candidate.network())
            known = networks.get(digest, UniqueNetwork(candidate, digest, ()))
            origins = tuple(dict.fromkeys((*known.origins, candidate.origin)))
            networks[digest] = replace(known, origins=origins)
            own_networks.add(list(networks).index(digest))
        groups.append(tuple(sorted(own_networks)))
    return list(networks.values()), list(dict.fromkeys(groups))


def validation_logits(
    network: UniqueNetwork,
    validation: ValidationPictures,
    loader: Loader,
    group: ProcessGroup,
    log: Callable[[str], object],
) -> F32:
    """Return the logits of the validation pictures, (N, A) float32, from the cache or computed now.

    Args:
        network: the network.
        validation: the pictures.
        loader: of these pictures.
        group: gives the device and this process's share.
        log: called with a line when the network is run.

    Raises:
        UsageError: the weights are damaged.
        TrainingError: the network gives NaN.
    """
    candidate, shape = network.candidate, (len(validation.index), len(network.candidate.au_names))

    def compute() -> F32:
        log(f"{candidate.name}: {shape[0]} pictures")
        training_network = TrainingNetwork(candidate.network()).to(group.device)
        found = predict(training_network, validation.index, loader, group, "logits")
        if not np.isfinite(found).all():
            raise TrainingError(f"{candidate.origin}: the network's logits are not all finite numbers")
        return found

    return cached_array(f"logits/{validation.digest[:32]}", f"{network.digest}.npy", compute, shape)
