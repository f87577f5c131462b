"""What is minimised. Every loss counts known labels alone, and tells the counts that it divides by."""

from autrt_train.losses.au import AuLoss
from autrt_train.losses.classes import CosFaceHead, class_count, class_loss
from autrt_train.losses.distill import feature_count, feature_loss, soft_count, soft_loss
from autrt_train.losses.face import landmark_count, landmark_loss, presence_count, presence_loss
from autrt_train.losses.settings import LossConfig
from autrt_train.losses.steady import SteadyConfig, moved, seen_twice, steady_count, steady_loss

__all__ = [
    "AuLoss",
    "CosFaceHead",
    "LossConfig",
    "SteadyConfig",
    "class_count",
    "class_loss",
    "feature_count",
    "feature_loss",
    "landmark_count",
    "landmark_loss",
    "moved",
    "presence_count",
    "presence_loss",
    "seen_twice",
    "soft_count",
    "soft_loss",
    "steady_count",
    "steady_loss",
]
