"""Logits of every candidate for the validation pictures, computed once and cached in the user's cache folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import nn

from autrt.model.architectures import architecture_of
from autrt.model.digest import json_digest
from autrt.types import F32
from autrt_train.cached_array import read_cached_array, write_cached_array
from autrt_train.ensembling.candidates import Candidate, EnsembleSource
from autrt_train.ensembling.validation_pictures import ValidationPictures
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.fit.validate import predict_with_each
from autrt_train.loading.loader import Loader
from autrt_train.training_network import TrainingNetwork
from autrt_train.types import TrainingError

TOGETHER_BYTES: Final = 4 << 30
"""Weights in memory beyond which no further network is added to a pass over the pictures."""


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
    networks: Sequence[UniqueNetwork],
    validation: ValidationPictures,
    loader: Loader,
    group: ProcessGroup,
    precision: str,
    log: Callable[[str], object],
) -> F32:
    """Return all networks' logits of the validation pictures, (N, M, A) float32, cached or computed now.

    The pictures are read once for as many networks as fit into `TOGETHER_BYTES`.

    Args:
        networks: the M networks.
        validation: the pictures.
        loader: of these pictures.
        group: gives the device and this process's share.
        precision: f32, bf16 or fp16.
        log: called with a line for each pass over the pictures.

    Raises:
        UsageError: weights are damaged.
        TrainingError: a network gives NaN.
    """
    shape = (len(validation.index), len(networks[0].candidate.au_names))
    folder = f"logits/{validation.digest[:32]}"
    names = [f"{network.digest}{'' if precision == 'f32' else f'-{precision}'}.npy" for network in networks]
    found = [read_cached_array(folder, name, shape) for name in names]
    missing = [i for i, logits in enumerate(found) if logits is None]
    while missing:
        together: list[int] = []
        loaded: list[TrainingNetwork] = []
        while missing and (not loaded or sum(map(_bytes_of, loaded)) < TOGETHER_BYTES):
            together.append(missing.pop(0))
            network = networks[together[-1]].candidate.network()
            loaded.append(TrainingNetwork(network).to(group.device))
        log(f"{', '.join(networks[i].candidate.name for i in together)}: {shape[0]} pictures")
        computed = predict_with_each(loaded, validation.index, loader, group, "logits", precision)
        for i, logits in zip(together, computed, strict=True):
            if not np.isfinite(logits).all():
                raise TrainingError(
                    f"{networks[i].candidate.origin}: the network's logits are not all finite numbers"
                )
            write_cached_array(folder, names[i], logits)
            found[i] = logits
    return np.stack([logits for logits in found if logits is not None], axis=1)


def _bytes_of(network: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
