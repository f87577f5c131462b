"""Named configurations: the paper's network, each row of its ablation, reduced networks, students, transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from autrt.errors import UsageError
from autrt.model.full import FullConfig
from autrt.model.student import StudentConfig
from autrt.model.vit import ViTConfig

NetworkConfig = FullConfig | StudentConfig | ViTConfig

_R100 = FullConfig(coordinate_attention="none", spatial_attention=False, fpn=False, ssh=False)

_ROWS: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    ("01-r100", {}),
    ("02-glint", {}),
    ("03-balancing", {}),
    ("04-multi-label", {}),
    ("05-coordinate-attention", {"coordinate_attention": "paper"}),
    ("06-spatial-attention", {"spatial_attention": True}),
    ("07-label-smoothing", {}),
    ("08-bce", {}),
    ("09-fpn", {"fpn": True}),
    ("10-batch-256", {}),
    ("11-ssh", {"ssh": True}),
    ("12-data", {}),
)
"""Table 1 of Jiang et al. 2022: each row's change of the network above it; {} where only training changes."""


def _ablation() -> dict[str, FullConfig]:
    config, rows = _R100, dict[str, FullConfig]()
    for name, change in _ROWS:
        config = replace(config, **change)
        rows[f"ablation/{name}"] = config
    return rows


PRESETS: Final[Mapping[str, NetworkConfig]] = MappingProxyType(
    {
        "paper": FullConfig(),
        "paper-code": FullConfig(coordinate_attention="code", spatial_attention=False),
        **_ablation(),
        "reduced-50": FullConfig(depth=50, width=0.5, ssh_channels=16, level_features=256),
        "reduced-18": FullConfig(depth=18, width=0.25, ssh_channels=16, level_features=128),
        "tiny": FullConfig(depth=18, width=0.125, ssh_channels=8, level_features=64),
        "student-16": StudentConfig(),
        "student-24": StudentConfig(width=24),
        "student-32": StudentConfig(width=32),
        "vit-small-14": ViTConfig(),
        "vit-base-14": ViTConfig(width=768, heads=12),
        "vit-small-16": ViTConfig(patch=16, layer_scale=False),
        "vit-base-16": ViTConfig(patch=16, layer_scale=False, width=768, heads=12),
    }
)
"""Name → configuration.

| name | parameters | GFLOP | use |
|---|---|---|---|
| paper | 192.6 M | 25.9 | the paper's final network; several GPUs |
| paper-code | 192.7 M | 25.9 | the same as in the authors' code: its coordinate attention, no spatial attention |
| ablation/01-r100 … 12-data | 65–248 M | 24–26 | Table 1, row by row; the last is `paper` |
| reduced-50 | 25.9 M | 3.5 | one GPU |
| reduced-18 | 9.7 M | 0.44 | a few CPU cores, in hours |
| tiny | 2.5 M | 0.12 | trying things out |
| student-16, -24, -32 | 0.4, 0.8, 1.3 M | 0.10, 0.22, 0.39 | video archives on CPUs |
| vit-small-14, vit-base-14 | 21.6, 85.6 M | 2.9, 11.3 | vision transformers, from DINOv2's checkpoints; one GPU |
| vit-small-16, vit-base-16 | 21.6, 85.7 M | 2.2, 8.6 | the same, from MAE's checkpoints |
"""


def preset(name: str) -> NetworkConfig:
    """Return the configuration called `name`.

    Raises:
        UsageError: there is no such preset; the message lists the presets.
    """
    if name not in PRESETS:
        raise UsageError(f"No network is called {name!r}; there are {', '.join(PRESETS)}.")
    return PRESETS[name]
