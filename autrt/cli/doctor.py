"""`autrt doctor`: checks of this installation, and the packages that missing parts would need."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec

import click

from autrt import __version__
from autrt.engine.gpu import DRIVER, find_gpus
from autrt.machine import available_cores, cpu_features

PURPOSES = {
    "openvino": "the OpenVINO engine: bfloat16 (`--quality fast`), and int8 at its fastest",
    "onnx": "int8 and fp16 graphs, export",
    "torch": "the torch engine, training, export",
    "safetensors": "weights of models",
    "onnxscript": "export",
    "scikit-learn": "scores while training",
    "matplotlib": "plots",
    "numba": "balancing, and rendering faces",
    "tensorboard": "training curves",
    "nvidia-dali-cuda130": "the DALI loader, and decoding on a GPU",
    "tensorrt": "the TensorRT engine; needs a GPU to build and to run",
    "torch-tensorrt": "the Torch-TensorRT engine; needs a GPU to build and to run",
    "tensorrt-rtx": "the TensorRT-RTX engine; builds anywhere, needs a GPU to run",
    "pandas": "data frames (`open_results(…).to_dataframe()`)",
    "pyarrow": "`autrt export --format parquet`",
}
"""Optional package → its purpose."""

CODECS = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "mjpeg", "prores", "gif")

Line = tuple[str, str, str]
"""yes, no or nothing; a name; a text."""


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Try out what this machine can do: decoding, inference, results; and what each missing part needs.

    A clip of two frames is decoded, a face inferred and a results file written, all of which come with autrt.
    Exit code 0: the main job works; 1: it does not.
    """
    click.echo(f"autrt {__version__}, Python {platform.python_version()}, {platform.platform()}")
    click.echo(f"cores: {available_cores()} (by affinity and cgroup); CPU: {', '.join(cpu_features())}")
    whole = _print_section("packages:", _packages)
    works = _print_section("the main job, tried out:", _checks)
    _print_section("decoding on the CPU (FFmpeg in PyAV):", _codecs)
    _print_section("GPU:", _gpu)
    _print_section("files in the user's cache:", _files)
    if not (whole and works):
        click.echo("the main job does not work here: see the lines that begin with NO")
        ctx.exit(1)
    click.echo("the main job works here; lines with a small no are options that are not installed")


def _print_section(title: str, lines: Callable[[], Iterator[Line]]) -> bool:
    """Print a section; return False where a line of it says NO, or an exception ended it."""
    click.echo(title)
    sound = True
    try:
        for mark, name, text in lines():
            click.echo(f"  {mark:3} {name:24} {text}".rstrip())
            sound &= mark != "NO"
    except Exception as error:
        click.echo(f"  NO  {'':24} {type(error).__name__}: {error}")
        return False
    return sound


def _packages() -> Iterator[Line]:
    packages = import_module("autrt.check.versions").packages()
    if not packages:
        yield "", "", "which versions are right is not known: autrt runs from a folder and is not installed"
    for name, package in packages.items():
        purpose = f" ({PURPOSES[name]})" if name in PURPOSES and not package.is_base else ""
        tested = " or ".join(package.tested)
        if package.version is None and package.is_base:
            yield "NO", name, f"missing: pip install '{name}{tested}'"
        elif package.version is None:
            brings = f"pip install 'autrt[{package.extras[0]}]'"
            yield "no", name, f"for {PURPOSES.get(name, 'the extra ' + package.extras[0])}: {brings}"
        elif not package.is_tested:
            yield "yes", name, f"{package.version}{purpose}: warning, not among the tested versions: {tested}"
        else:
            yield "yes", name, f"{package.version}{purpose}"


def _checks() -> Iterator[Line]:
    marks = {True: "yes", False: "NO", None: "no"}
    for verdict in import_module("autrt.check").run_checks():
        yield marks[verdict.works], verdict.name, verdict.said


def _codecs() -> Iterator[Line]:
    known = import_module("av.codec").codecs_available
    for name in CODECS:
        yield "yes" if name in known else "no", name, ""


def _gpu() -> Iterator[Line]:
    gpus = find_gpus()
    for gpu in gpus:
        yield "yes", gpu.target, gpu.name
    if not gpus:
        yield "no", "driver", f"no NVIDIA GPU, or no driver ({DRIVER})"
    if find_spec("torch") is None:
        yield "no", "CUDA", "needs torch with CUDA: pip install 'autrt[gpu]'"
        return
    cuda = import_module("torch").cuda
    name = cuda.get_device_name(0) if cuda.is_available() else "no CUDA device, or a torch build without CUDA"
    yield "yes" if cuda.is_available() else "no", "CUDA", name


def _files() -> Iterator[Line]:
    fetching = import_module("autrt.download.fetch")
    yield "", "", str(fetching.cache_dir())
    for file in fetching.FILES.values():
        here = fetching.cached(file.name) is not None
        said = file.licence if here else f"missing or damaged: autrt fetch {file.name}"
        yield "yes" if here else "no", file.name, said
