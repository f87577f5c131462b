from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from autrt.model.full import FullConfig, FullNetwork
from autrt.model.iresnet import EmbeddingNetwork
from autrt.model.presets import preset
from autrt.model.student import Student
from tests.support.networks import random_crops, settled

SMALL = FullConfig(depth=18, width=0.125, ssh_channels=8, level_features=32)


def _networks() -> dict[str, nn.Module]:
    return {"full": FullNetwork(SMALL), "student": Student(), "embedding": EmbeddingNetwork(18, 0.125)}


@pytest.mark.parametrize("name", ["full", "student"])
def test_onnx_outputs_do_not_depend_on_the_batch(name: str, tmp_path: Path) -> None:
    network, path, crops = settled(_networks()[name]), tmp_path / "network.onnx", random_crops(5, seed=7)
    with torch.no_grad():
        expected = network(crops)
    torch.onnx.export(
        network,
        (crops[:2],),
        path,
        input_names=["crops"],
        output_names=list(expected),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    assert onnx.load(path).opset_import[0].version >= 17
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    got = cast("list[np.ndarray]", session.run(list(expected), {"crops": crops.numpy()}))
    for value, reference in zip(got, expected.values(), strict=True):
        np.testing.assert_allclose(value, reference.numpy(), rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("name", ["full", "student", "embedding"])
def test_network_compiles_as_one_graph(name: str) -> None:
    network, crops = settled(_networks()[name]), random_crops(2)
    torch.compiler.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    with torch.no_grad():
        expected, got = network(crops), compiled(crops)
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value)


def test_presets_are_small_enough_to_try() -> None:
    assert sum(p.numel() for p in FullNetwork(cast("FullConfig", preset("tiny"))).parameters()) < 3e6
