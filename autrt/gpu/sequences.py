"""DALI's video reader: sequences of frames, read in a thread that may hang without hanging the program."""

# DALI makes its operators when it is imported.
# pyright: reportAttributeAccessIssue=false, reportPrivateImportUsage=false

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import numpy as np
import torch
from nvidia.dali import fn, pipeline_def, types
from torch import Tensor

from autrt.gpu.transfer import Mark
from autrt.types import F64, I64

FrameSequence = tuple[Tensor, I64, F64]
"""Pixels uint8 (n, height, width, 3), as they are stored, in YCbCr (on a CPU in RGB); (n,) frame numbers;
(n,) seconds from the first frame."""

_Lent = tuple[Any, I64, F64]
"""The same with DALI's own pixels, which are the next sequence's as soon as that is asked for."""

_DEPTH: Final = 2
"""Sequences that DALI reads ahead."""

_SLOWEST_BYTES_PER_S: Final = 5_000_000
"""Rate at which a slow disk reads."""


class SequenceError(Exception):
    """An error of DALI, or no answer in time."""


class Sequences:
    """Reads the sequences of one file.

    Args:
        path: the video file.
        device: cpu or cuda:N.
        length: frames in a sequence; the last one has the rest.
        patience_s: longest time for an answer; the first one may take as long again as reading the file may.
    """

    def __init__(self, path: Path, device: str, length: int, patience_s: float) -> None:
        self._reader = _read(path, device, length)
        self._kind = device.partition(":")[0]
        self._patience_s = patience_s
        self._wait_s = first_patience_s(path.stat().st_size, patience_s)
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        self._answers: SimpleQueue[_Lent | Exception | None] = SimpleQueue()
        self._copied: tuple[Any, Mark] | None = None
        # A thread that hangs in DALI cannot be ended: it must not keep the program from ending either.
        threading.Thread(target=self._serve, name="dali", daemon=True).start()

    def next(self) -> FrameSequence | None:
        """Return the next sequence, or None after the last; its copy is made on the current CUDA stream.

        Raises:
            SequenceError: DALI failed or did not answer in time.
        """
        self._give_back()
        self._wanted.put(True)
        try:
            answer = self._answers.get(timeout=self._wait_s)
        except Empty:
            raise SequenceError(f"DALI did not answer within {self._wait_s:g} s") from None
        self._wait_s = self._patience_s
        if isinstance(answer, Exception):
            raise SequenceError(f"DALI failed: {_last_line(answer)}") from answer
        if answer is None:
            return None
        pixels, numbers, time_s = answer
        copy = _copied(pixels, self._kind, len(numbers))
        self._copied = pixels, Mark(copy.device)
        return copy, numbers, time_s

    def close(self) -> None:
        """Ask the thread to end, and with it the pipeline."""
        self._give_back()
        self._wanted.put(False)

    def _give_back(self) -> None:
        """Let DALI use the memory of the sequence before again: as soon as its copy is made."""
        if self._copied is not None:
            self._copied[1].wait()
            self._copied = None

    def _serve(self) -> None:
        reader = self._reader
        try:
            while self._wanted.get():
                self._answers.put(next(reader, None))
        except Exception as error:
            self._answers.put(error)


def first_patience_s(size_bytes: int, patience_s: float) -> float:
    """Return the longest time for the first answer: before it, DALI reads the whole file for its packets' times.

    Args:
        size_bytes: of the file.
        patience_s: longest time for another answer; 0 is none for the first one either.
    """
    return patience_s and patience_s + size_bytes / _SLOWEST_BYTES_PER_S


def _read(path: Path, device: str, length: int) -> Iterator[_Lent]:
    kind, _, number = device.partition(":")
    pipeline = _sequences(
        str(path),
        "cpu" if kind == "cpu" else "gpu",
        length,
        batch_size=1,
        num_threads=1,
        device_id=None if kind == "cpu" else int(number or 0),
        prefetch_queue_depth=_DEPTH,
    )
    pipeline.build()
    (facts,) = pipeline.reader_meta().values()
    for _ in range(facts["epoch_size"]):
        pixels, numbers, times = pipeline.run()
        frame = np.array(numbers.as_cpu().at(0)).reshape(-1)
        n = int((frame >= 0).sum())  # the padding of the last sequence has number −1
        yield pixels, frame[:n], np.array(times.as_cpu().at(0)).reshape(-1)[:n]


def _copied(pixels: Any, kind: str, n: int) -> Tensor:
    """Return a (n, height, width, 3) uint8 copy of DALI's first pictures."""
    if kind == "cpu":
        return torch.from_numpy(np.array(pixels.at(0)[:n]))
    return torch.from_dlpack(pixels.as_tensor())[0, :n].clone()


def _last_line(error: Exception) -> str:
    """Return the line of DALI's long message that says what is wrong."""
    lines = [line for line in str(error).splitlines() if "failed" in line or "rror:" in line]
    return (lines or str(error).splitlines() or [type(error).__name__])[-1].strip()


@pipeline_def
def _sequences(path: str, device: str, length: int) -> Any:
    outputs: Any = fn.experimental.readers.video(
        device=device,
        filenames=[path],
        sequence_length=length,
        pad_mode="constant",
        enable_frame_num="sequence",
        enable_timestamps=True,
        # On the CPU DALI cannot give YCbCr. RGB is limited to 0…255 before our own matrix could be applied.
        image_type=types.RGB if device == "cpu" else types.YCbCr,
    )
    return tuple(outputs)
