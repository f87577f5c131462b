"""GPUs and precisions that TensorRT and TensorRT-RTX engines can be built for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from autrt.engine.gpu import require_gpu
from autrt.engine.graph import Options
from autrt.engine.precision.layer_errors import PRODUCTS
from autrt.engine.precision.layer_report import Layer
from autrt.errors import EngineOptionError

PRECISIONS: Final = ("f32", "fp16", "int8")

ADVICE: Final = {
    "tensorrt": "TensorRT builds and runs on a GPU alone; `--engine tensorrt-rtx --target sm86` builds without one",
    "tensorrt-rtx": "To build for another machine, name its GPUs, e.g. --target sm86,sm89",
}
"""Engine → advice where there is no GPU."""


def targeted(engine: str, options: Options) -> Options:
    """Check options, and for TensorRT-RTX fill in the targets: those named, or this machine's GPU.

    Raises:
        EngineOptionError: the engine does not support the device or precision, there is no GPU, or targets are
            named for TensorRT.
    """
    options.require(engine, devices=("cuda",), precisions=PRECISIONS)
    if engine == "tensorrt" and options.targets:
        raise EngineOptionError(
            "TensorRT builds for the GPU that it runs on: leave --target out, or use tensorrt-rtx"
        )
    if options.targets:
        return options
    gpu = require_gpu(options.device, engine, ADVICE[engine])
    return replace(options, targets=(gpu.target,)) if engine == "tensorrt-rtx" else options


def capabilities(trt: Any, targets: Sequence[str]) -> list[Any]:
    """Return TensorRT-RTX's constants for targets such as "sm86"; none for TensorRT, which has no such constants.

    Raises:
        EngineOptionError: it does not build for one of them.
    """
    if not targets:
        return []
    known = known_targets(trt)
    unknown = [target for target in targets if target not in known]
    if unknown:
        raise EngineOptionError(
            f"TensorRT-RTX {trt.__version__} builds for {', '.join(known)}, not for {', '.join(unknown)}. "
            f"Data centre GPUs since Hopper (sm90, sm100) need --engine tensorrt, on the GPU itself"
        )
    return [known[target] for target in targets]


def known_targets(trt: Any) -> dict[str, Any]:
    """Return TensorRT-RTX's constants by the targets that they stand for, such as "sm86"."""
    return {n.lower(): value for n, value in trt.ComputeCapability.__members__.items() if n.startswith("SM")}


def refuse_float_products(layers: Sequence[Layer], options: Options) -> None:
    """Raise where a target cannot run a matrix product: GPUs of compute capability 7.5 have them in float16 only.

    Args:
        layers: layers of the derived graph; none where the graph is float32.
        options: targets and precision.

    Raises:
        EngineOptionError: sm75 is among the targets, and a matrix product stays float32.
    """
    float32 = [layer.name for layer in layers if layer.op in PRODUCTS and layer.precision == "f32"]
    if "sm75" in options.targets and (float32 or options.precision == "f32"):
        which = f"layer {float32[0]} stays float32" if float32 else "all layers are float32"
        raise EngineOptionError(
            f"GPUs of sm75 multiply matrices in float16 only, and {which} in {options.precision}: leave sm75 out"
            + ("" if options.precision == "fp16" else ", or use --precision fp16")
        )
