"""The cells of CenterFace's maps that may hold a face, picked on the device: the host needs no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from autrt.face.detect import CELLS, OUTPUTS

MOST: Final = 512
"""Cells of a picture. A face has a few above the threshold; in a crowd that has more, the weakest are lost."""


def strongest_cells(maps: Mapping[str, Tensor], most: int = MOST) -> dict[str, Tensor]:
    """Return the cells of the highest scores of each picture, row by row; sizes depend on nothing in the maps.

    Args:
        maps: `OUTPUTS`, float32 (n, channels, rows, columns) each.
        most: cells of a picture.

    Returns:
        `CELLS`, float32 (n, k, 17) on the maps' device; k is `most`, or all cells of a picture.
    """
    channels = torch.cat([maps[name] for name in OUTPUTS], 1)
    columns = channels.shape[3]
    channels = channels.flatten(2)
    # In the order of the maps, so that equal scores are ordered as on the host.
    index = channels[:, 0].topk(min(most, channels.shape[2])).indices.sort().values
    place = torch.stack([index.div(columns, rounding_mode="floor"), index % columns], 1)
    picked = channels.gather(2, index[:, None].expand(-1, channels.shape[1], -1))
    return {CELLS: torch.cat([picked, place.float()], 1).transpose(1, 2).contiguous()}
