"""Load a model folder's network in torch, and compute its outputs: the reference for every engine."""

from __future__ import annotations

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from autrt.errors import UsageError
from autrt.model.architectures import build_network
from autrt.model.exact import exact_cudnn
from autrt.model.folder import Member
from autrt.model.preprocess import PixelNetwork
from autrt.types import F32, U8

ROWS_AT_A_TIME = 8
"""Crops in a batch, which bounds memory."""


def load_network(member: Member) -> nn.Module:
    """Load a member's network on the CPU, in eval mode.

    Raises:
        UsageError: architecture and weights do not fit, or the weights are unreadable.
    """
    network = build_network(member.architecture)
    try:
        network.load_state_dict(load_file(member.weights), strict=True)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise UsageError(f"{member.weights} does not fit {member.architecture['name']}: {error}") from error
    return network.eval()


def reference_outputs(network: nn.Module, crops: U8) -> dict[str, F32]:
    """Compute a network's outputs for crops in eval mode and float32, without TF32.

    Args:
        network: a float32 network on any device; keeps its mode and device.
        crops: uint8 (n, 112, 112, 3) RGB, n at least 1.

    Returns:
        Name → float32 (n, …).
    """
    was_training = network.training
    place = next(network.parameters()).device
    wrapped = PixelNetwork(network).eval()
    parts: list[dict[str, F32]] = []
    try:
        with torch.inference_mode(), exact_cudnn():
            for start in range(0, len(crops), ROWS_AT_A_TIME):
                outputs = wrapped(torch.from_numpy(crops[start : start + ROWS_AT_A_TIME]).to(place))
                parts.append({name: value.cpu().numpy() for name, value in outputs.items()})
    finally:
        network.train(was_training)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def torch_outputs(member: Member, crops: U8) -> dict[str, F32]:
    """Load a member's network and return its `reference_outputs`."""
    return reference_outputs(load_network(member), crops)
