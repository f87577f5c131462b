"""Export of a network as an ONNX file that takes uint8 crops; normalisation is inside."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import onnx
import torch
from onnx import checker
from torch import nn

from autrt.errors import EngineError
from autrt.model.preprocess import INPUT, PixelNetwork
from autrt.types import CROP_SIZE_PX

OPSET: Final = 20
ONE_FILE_BYTES: Final = 1_900_000_000
"""Largest size of a network in one file; protobuf's limit is 2 GiB."""


def export_onnx(network: nn.Module, path: Path) -> None:
    """Write `network` as one ONNX file: input `pixels`, outputs as `PixelNetwork` names them, any batch size.

    The network is exported in eval mode and float32; it keeps its mode and device.

    Raises:
        EngineError: the network is too large for one file, or the file fails ONNX's checker.
    """
    size_bytes = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    if size_bytes > ONE_FILE_BYTES:
        raise EngineError(f"a network of {size_bytes / 1e9:.1f} GB does not fit into one ONNX file (2 GB)")
    was_training = network.training
    try:
        model = _export(PixelNetwork(network).eval())
    finally:
        network.train(was_training)
    save_checked(model, path)


def save_checked(model: onnx.ModelProto, path: Path) -> None:
    """Check an exported graph and write it, without the exporter's metadata.

    Raises:
        EngineError: it fails ONNX's checker.
    """
    _strip(model)
    try:
        checker.check_model(model, full_check=True)
    except checker.ValidationError as error:
        raise EngineError(f"the exported network is no valid ONNX graph: {error}") from error
    onnx.save(model, path)


def _export(wrapped: PixelNetwork) -> onnx.ModelProto:
    place = next(wrapped.parameters()).device
    # A batch of two, as the exporter treats a batch size of one as a constant.
    example = torch.zeros(2, CROP_SIZE_PX, CROP_SIZE_PX, 3, dtype=torch.uint8, device=place)
    with torch.no_grad():
        names = list(wrapped(example))
    with quiet_exporter():
        program = torch.onnx.export(
            wrapped,
            (example,),
            input_names=[INPUT],
            output_names=names,
            dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}},
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    return cast("onnx.ModelProto", cast("Any", program).model_proto)


@contextmanager
def quiet_exporter() -> Generator[None]:
    """Silence the exporter's warnings about torchvision and deprecated calls, which users cannot act on."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        log.setLevel(level)


def _strip(model: onnx.ModelProto) -> None:
    """Remove the exporter's metadata, which holds source paths of this machine and would change the digest."""
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    model.graph.doc_string = ""
    del model.graph.metadata_props[:]
