"""Inputs of a network's AU layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autrt.errors import UsageError
from autrt.types import I64
from autrt_train.loading.augment import AugmentConfig, draw_batch
from autrt_train.loading.loader import open_loader
from autrt_train.loading.to_device import to_device
from autrt_train.types import Draw, Index

BATCH = 128
CACHE_BYTES = 1_000_000_000


def au_layer(network: nn.Module) -> nn.Linear:
    """Return the layer that computes a network's AU logits.

    Raises:
        UsageError: there is none.
    """
    layer = getattr(network, "au", None)
    if not isinstance(layer, nn.Linear):
        raise UsageError(f"{type(network).__name__} has no last layer `au` that could be trained")
    return layer


@torch.inference_mode()
def au_inputs(
    network: nn.Module,
    index: Index,
    views: Sequence[AugmentConfig],
    seed: int,
    device: torch.device,
    check: Callable[[], object],
) -> NDArray[np.float16]:
    """Return the inputs of the AU layer for some views of each picture.

    A network that averages a crop and its mirror image calls the layer twice; since the layer is linear, the
    mean of its inputs gives the mean of its outputs.

    Args:
        network: has an AU layer; left in eval mode on `device`.
        index: N pictures.
        views: V augmentations, one for each view of a picture.
        seed: of the augmentation.
        device: to compute on.
        check: called after every batch; may raise.

    Returns:
        (V, N, D) float16.

    Raises:
        DataError: a picture cannot be read.
    """
    network.eval().to(device)
    seen: list[Tensor] = []
    hook = au_layer(network).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    parts: list[list[NDArray[np.float16]]] = []
    rows = np.arange(len(index), dtype=np.int64)
    try:
        with closing(
            open_loader("opencv", index, cache_bytes=CACHE_BYTES if len(views) > 1 else 0)
        ) as loader:
            for view, how in enumerate(views):
                parts.append([])
                draws = (
                    _draw(rows[at : at + BATCH], view, seed, how, index) for at in range(0, len(rows), BATCH)
                )
                with closing(loader.load(draws)) as batches:
                    for batch in batches:
                        x = (to_device(batch, device).float().permute(0, 3, 1, 2) - 127.5) / 127.5
                        network(x.contiguous())
                        parts[-1].append(torch.stack(seen).mean(0).half().cpu().numpy())
                        seen.clear()
                        check()
    finally:
        hook.remove()
    return np.stack([np.concatenate(part) for part in parts])


def _draw(rows: I64, view: int, seed: int, augment: AugmentConfig, index: Index) -> Draw:
    return draw_batch(rows, rows, view, seed, augment, index.margin_px)
