"""The flow of a GPU's worker process: pictures and crops are tensors from the decoder to the networks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from autrt.engine.batcher import CropBatcher
from autrt.errors import EngineError
from autrt.gpu.dali import DaliDecoder
from autrt.gpu.memory import DeviceMemory
from autrt.machine import available_cores
from autrt.model.folder import Model
from autrt.pipeline.networks import Networks
from autrt.pipeline.open_networks import open_members, open_networks
from autrt.pipeline.recognise import recognised_blocks
from autrt.settings import InferSettings

T = TypeVar("T")


def open_tensor_networks(model: Model, settings: InferSettings) -> Networks:
    """Open the networks of a run whose crops are tensors, on a CPU too.

    Raises:
        EngineError: an engine cannot run here.
    """
    threads = available_cores()
    networks = open_networks(model, settings, threads)
    if settings.device != "cpu":
        return networks
    networks.batcher.close()
    engines = open_members(model, settings, threads)
    return replace(networks, batcher=CropBatcher(engines, len(model.au_names), DeviceMemory("cpu")))


def recognise_at_once(
    clip: Path, videos: int, networks: Networks, settings: InferSettings
) -> tuple[int, int]:
    """Recognise a clip several times at once, and return the frames and faces of all.

    Raises:
        EngineError: DALI does not decode it here.
        AutrtError: the flow fails.
    """
    counts = at_once(lambda: _recognise(clip, networks, settings), videos)
    return sum(frames for frames, _ in counts), sum(faces for _, faces in counts)


def at_once(work: Callable[[], T], times: int) -> list[T]:
    """Do the same work in several threads."""
    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(lambda _: work(), range(times)))


def _recognise(clip: Path, networks: Networks, settings: InferSettings) -> tuple[int, int]:
    frames = faces = 0
    with closing(DaliDecoder(clip, settings.device)) as decoder:
        with closing(recognised_blocks(decoder, networks, settings)) as blocks:
            for block in blocks:
                frames += len(block.index)
                faces += len(block.faces)
        if decoder.fallback is not None:
            raise EngineError(f"DALI does not decode {clip.name} here: {decoder.fallback}")
    return frames, faces
