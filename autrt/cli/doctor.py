"""`autrt doctor`: what this machine can do, and what each missing part would need."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import click

from autrt import __version__, weights
from autrt.engine.cpu import available_cores, cpu_features
from autrt.engine.gpu import DRIVER, find_gpus

EXTRAS = {
    "openvino": ("openvino", "the OpenVINO engine: bfloat16 (`--quality fast`), and int8 at its fastest"),
    "onnx": ("ort", "int8 and fp16 graphs"),
    "torch": ("train", "the torch engine, training, export"),
    "scikit-learn": ("train", "scores while training"),
    "numba": ("train", "balancing, and rendering faces"),
    "tensorboard": ("train", "training curves"),
    "nvidia-dali-cuda130": ("train-gpu", "the DALI loader, and decoding on a GPU"),
    "tensorrt": ("gpu", "the TensorRT engine; needs a GPU to build and to run"),
    "torch-tensorrt": ("gpu", "the Torch-TensorRT engine; needs a GPU to build and to run"),
    "tensorrt-rtx": ("rtx", "the TensorRT-RTX engine; builds anywhere, needs a GPU to run"),
    "pandas": ("tables", "data frames (`open_results(…).to_dataframe()`)"),
    "pyarrow": ("tables", "`autrt export --format parquet`"),
}
"""Optional packages: the extra that brings each, and what it is for."""

BASE = ("numpy", "av", "opencv-python-headless", "onnxruntime", "h5py", "lap")


@click.command()
def command() -> None:
    """Say what this machine can do: engines, decoders, weights, versions, and what each missing part needs."""
    click.echo(f"autrt {__version__}, Python {platform.python_version()}, {platform.platform()}")
    click.echo(f"cores: {available_cores()} (by affinity and cgroup); CPU: {', '.join(cpu_features())}")
    _packages()
    _decoders()
    _gpu()
    _files()


def _line(mark: bool, name: str, text: str) -> None:
    click.echo(f"  {'yes' if mark else 'no ':3} {name:24} {text}")


def _packages() -> None:
    click.echo("packages:")
    for name in BASE:
        try:
            _line(True, name, version(name))
        except PackageNotFoundError:
            _line(False, name, "installed by other means than its wheel, or not at all: pip install autrt")
    for name, (extra, purpose) in EXTRAS.items():
        try:
            _line(True, name, f"{version(name)} ({purpose})")
        except PackageNotFoundError:
            _line(False, name, f"for {purpose}: pip install 'autrt[{extra}]'")


def _decoders() -> None:
    import av
    import av.codec

    click.echo(f"decoding on the CPU (FFmpeg in PyAV {av.__version__}):")
    for name in ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "mjpeg", "prores", "gif"):
        _line(name in av.codec.codecs_available, name, "")


def _gpu() -> None:
    click.echo("GPU:")
    gpus = find_gpus()
    for gpu in gpus:
        _line(True, gpu.target, gpu.name)
    if not gpus:
        _line(False, "driver", f"no NVIDIA GPU, or no driver ({DRIVER})")
    if find_spec("torch") is None:
        _line(False, "CUDA", "needs torch with CUDA: pip install 'autrt[train]'")
        return
    import torch

    found = torch.cuda.is_available()
    name = torch.cuda.get_device_name(0) if found else "no CUDA device, or a torch build without CUDA"
    _line(found, "CUDA", name)


def _files() -> None:
    click.echo(f"files in {weights.cache_dir()}:")
    for file in weights.FILES.values():
        here = weights.cached(file.name) is not None
        _line(here, file.name, file.licence if here else f"missing or damaged: autrt fetch {file.name}")
