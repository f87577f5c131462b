"""Losses. Each counts known labels only, and has a function for the count that it is divided by."""

from autrt_train.losses.au import AuLoss
from autrt_train.losses.classes import CosFaceHead, class_count, class_loss
from autrt_train.losses.config import LossConfig
from autrt_train.losses.distill import feature_count, feature_loss, soft_count, soft_loss
from autrt_train.losses.face_heads import landmark_count, landmark_loss, presence_count, presence_loss
from autrt_train.losses.stability import (
    StabilityConfig,
    is_perturbed,
    perturb,
    stability_count,
    stability_loss,
)

__all__ = [
    "AuLoss",
    "CosFaceHead",
    "LossConfig",
    "StabilityConfig",
    "class_count",
    "class_loss",
    "feature_count",
    "feature_loss",
    "is_perturbed",
    "landmark_count",
    "landmark_loss",
    "perturb",
    "presence_count",
    "presence_loss",
    "soft_count",
    "soft_loss",
    "stability_count",
    "stability_loss",
]
