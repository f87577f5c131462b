"""The network of a recipe, with the heads and layouts that only training needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autrt.errors import UsageError
from autrt.model.architectures import build_network, name_of
from autrt.model.checkpoint import import_checkpoint
from autrt.model.folder import load_model, packaged_models
from autrt.model.iresnet import EMBEDDING, EmbeddingNetwork
from autrt.model.presets import preset
from autrt.types import CROP_SIZE_PX
from autrt_train.losses import CosFaceHead
from autrt_train.recipe import Recipe

SAFE_CHANNELS = 16


class TrainingNetwork(nn.Module):
    """Network and training-only heads: raw crops in, all outputs that the losses need out.

    Args:
        network: takes float (B, 3, 112, 112) in −1…1; returns a dict of outputs.
        margin_head: identities from features, for face identity; not part of the finished model.
    """

    def __init__(self, network: nn.Module, margin_head: CosFaceHead | None = None) -> None:
        super().__init__()
        self.network = network
        self.margin_head = margin_head
        self.projector: nn.Linear | None = None
        """Linear layer from the network's features to a teacher's; not part of the finished model. See
        `project_to`."""
        self.layout: torch.memory_format = torch.contiguous_format
        """Memory layout of the network's maps; see `place_on_device`."""

    def forward(self, pixels: Tensor, classes: Tensor | None = None) -> dict[str, Tensor]:
        """Return outputs by name for uint8 (B, 112, 112, 3) RGB; with a margin head `logits` are of identities."""
        x = (pixels.to(torch.float32).permute(0, 3, 1, 2) - 127.5) / 127.5
        outputs: dict[str, Tensor] = self.network(x.contiguous(memory_format=self.layout))
        if self.margin_head is not None and classes is not None:
            outputs = {**outputs, "logits": self.margin_head(outputs["features"], classes)}
        if self.projector is not None:
            outputs = {**outputs, "projected": self.projector(outputs["features"])}
        return outputs

    def project_to(self, width: int) -> None:
        """Add a projector from the network's features to a teacher's; its output is `projected`, (B, width).

        Args:
            width: length of the teacher's feature vector.
        """
        crop = torch.zeros(1, 3, CROP_SIZE_PX, CROP_SIZE_PX)
        with torch.no_grad():
            features: Tensor = self.network.eval()(crop)["features"]
        self.network.train()
        self.projector = nn.Linear(features.shape[1], width)


def place_on_device(
    training_network: TrainingNetwork, device: torch.device, *, channels_last: bool
) -> TrainingNetwork:
    """Move a training network to a device, with channels last where that is asked for and safe.

    On CPUs the backward pass of a strided 1×1 convolution of few channels writes past its memory when channels are
    last (seen with torch 2.13, oneDNN): networks that have one keep the plain layout there.
    """
    safe = device.type != "cpu" or not any(map(_is_narrow_shortcut, training_network.modules()))
    training_network.layout = torch.channels_last if channels_last and safe else torch.contiguous_format
    return training_network.to(device, memory_format=training_network.layout)  # pyright: ignore[reportCallIssue]


def _is_narrow_shortcut(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride != (1, 1)
        and module.in_channels < SAFE_CHANNELS
    )


def build_training_network(recipe: Recipe, class_names: tuple[str, ...]) -> TrainingNetwork:
    """Build the recipe's network, initialised by its seed.

    Args:
        recipe: task, network and AUs.
        class_names: expressions or identities of the training data; not used for AUs.

    Raises:
        UsageError: the preset's network cannot learn the task, or a field is unknown.
    """
    torch.manual_seed(recipe.seed)
    if recipe.task == "identity":
        network = _embedding_network(recipe)
        return TrainingNetwork(network, CosFaceHead(max(1, len(class_names)), EMBEDDING))
    names = recipe.au_names if recipe.task == "au" else class_names
    return TrainingNetwork(build_network({**architecture(recipe), "au_names": list(names)}))


def architecture(recipe: Recipe) -> dict[str, Any]:
    """Return the architecture of the recipe's network as in a model folder, without the outputs' names."""
    config = preset(recipe.network.preset)
    fields = {**asdict(config), **recipe.network.change}
    if recipe.fit.dropout is not None:
        fields["dropout"] = recipe.fit.dropout
    fields.pop("au_names")
    return {"name": name_of(config), **fields}


def _embedding_network(recipe: Recipe) -> EmbeddingNetwork:
    wanted = architecture(recipe)
    if wanted["name"] != "full":
        raise UsageError(
            f"network.preset = {recipe.network.preset!r}: face identity is learnt by the paper's backbones: "
            "choose a preset of the full network, such as paper or tiny"
        )
    return EmbeddingNetwork(wanted["depth"], wanted["width"])


def start_from(network: nn.Module, recipe: Recipe, log: Callable[[str], object]) -> None:
    """Copy the recipe's start checkpoint into the network and log what was copied.

    Raises:
        UsageError: the checkpoint does not fit; the message names the first mismatch.
    """
    if recipe.start.checkpoint is not None:
        log(str(import_checkpoint(network, _start_file(recipe.start.checkpoint), recipe.start.skip)))


def _start_file(start: str) -> Path:
    """Return the file of a start: the path itself, or the weights of the model of that name or folder."""
    if start not in packaged_models() and not Path(start).is_dir():
        return Path(start)
    members = load_model(start).members
    if len(members) != 1:
        raise UsageError(
            f"start.checkpoint = {start!r}: expected a model of one network, found an ensemble of {len(members)}"
        )
    return members[0].weights


def freeze_statistics(network: nn.Module) -> None:
    """Make BatchNorms use their running statistics and leave them unchanged."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # pyright: ignore[reportPrivateUsage]
            module.eval()
