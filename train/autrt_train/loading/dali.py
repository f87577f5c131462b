"""Loading with NVIDIA DALI: one pipeline, on the CPU or on a GPU. Rows and random numbers come from our draws."""

# DALI makes its operators when it is imported.
# pyright: reportAttributeAccessIssue=false, reportPrivateImportUsage=false

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import torch
from nvidia.dali import fn, pipeline_def, types

from autrt.errors import UsageError
from autrt.types import CROP_SIZE_PX, F32, U8
from autrt_train.loading.assemble_batch import assemble_batch
from autrt_train.loading.erase import erase
from autrt_train.loading.geometry import from_corners, inverse
from autrt_train.loading.read_picture import file_side_px, picture_side_px, read_picture
from autrt_train.packed.picture_files import is_packed, read_file
from autrt_train.types import Batch, Draw, Index, TrainingError

Fed = tuple[list[U8], F32, F32]
"""Encoded paths (or files), crop → picture matrices (B, 2, 3), colour matrices (B, 3, 4)."""

FAILURE = "Critical error in pipeline"


class DaliLoader:
    """Loader for GPUs; on a CPU it is slower than the OpenCV loader.

    Args:
        index: pictures that rows of draws count in.
        threads: of the CPU part.
        device: cpu, cuda or cuda:N; on a GPU pixels are torch tensors there.
        prefetch: batches under way.
        cache_bytes: must be 0.

    Raises:
        UsageError: a memory for pictures is asked for.
    """

    def __init__(self, index: Index, *, threads: int, device: str, prefetch: int, cache_bytes: int) -> None:
        if cache_bytes:
            raise UsageError(
                "loader 'dali' keeps no pictures in memory: set loader.cache_gb = 0, or use 'opencv'"
            )
        self._index, self._threads, self._prefetch = index, threads, prefetch
        _, first = np.unique(index.video, return_index=True)
        self._packed = is_packed(index.paths[first].tolist())
        crop_matrices = torch.device(device)
        self._device_id = None if crop_matrices.type == "cpu" else crop_matrices.index or 0

    def load(self, draws: Iterable[Draw]) -> Generator[Batch, None, None]:
        """Yield batches; see `Loader.load`."""
        draws = iter(draws)
        first = next(draws, None)
        if first is None:
            return
        under_way: deque[Draw] = deque()
        pipeline = self._pipeline(self._feed(chain([first], draws), under_way), len(first))
        while (outputs := self._run(pipeline, under_way)) is not None:
            draw = under_way.popleft()
            pixels = self._pixels(outputs, draw)
            erase(pixels, draw.erased)
            yield assemble_batch(self._index, draw, pixels)

    def close(self) -> None:
        """Do nothing: no state is kept between loads."""

    def _feed(self, draws: Iterable[Draw], under_way: deque[Draw]) -> Iterator[Fed]:
        for draw in draws:
            under_way.append(draw)
            paths = [bytes(self._index.paths[row]) for row in draw.rows]
            fed = [
                np.frombuffer(self._read(row, path) if self._packed else path, np.uint8)
                for row, path in zip(draw.rows, paths, strict=True)
            ]
            lookups = from_corners(inverse(draw.matrices)).astype(np.float32)
            yield fed, lookups, draw.colours

    def _read(self, row: int, path: bytes) -> bytes:
        """Return the file of a picture in a packed store."""
        try:
            return read_file(path)
        except OSError:
            read_picture(self._index, row)  # raises what says which it is
            raise

    def _pipeline(self, source: Iterator[Fed], batch: int) -> Any:
        pipeline = _draw_pictures(
            source,
            on_gpu=self._device_id is not None,
            whole_files=self._packed,
            side=None if self._index.cut_px is None else picture_side_px(self._index),
            batch_size=batch,
            num_threads=self._threads,
            device_id=self._device_id,
            prefetch_queue_depth=self._prefetch,
        )
        pipeline.build()
        return pipeline

    def _run(self, pipeline: Any, under_way: deque[Draw]) -> Any:
        """Return the next batch's outputs, or None after the last."""
        try:
            return pipeline.run()
        except StopIteration:
            return None
        except Exception as error:
            if FAILURE not in str(error):
                raise
            for draw in under_way:  # DALI does not say which picture it was
                self._check(draw)
            reason = " ".join(str(error).split())
            raise TrainingError(
                f"DALI failed, but every picture is whole: try loader 'opencv': {reason}"
            ) from error

    def _check(self, draw: Draw) -> None:
        for row in draw.rows.tolist():
            read_picture(self._index, row)

    def _pixels(self, outputs: Any, draw: Draw) -> Any:
        """Return (B, 112, 112, 3) uint8, an array or a CUDA tensor that owns its memory."""
        crops, shapes = outputs
        sides = [(side := file_side_px(self._index, row), side, 3) for row in draw.rows.tolist()]
        if (shapes.as_array() != np.array(sides)).any():
            self._check(draw)
        if self._device_id is None:
            return np.array(crops.as_array())
        # With DALI's default executor the memory stays ours as long as the tensor lives.
        return torch.from_dlpack(crops.as_tensor())


@pipeline_def
def _draw_pictures(source: Iterator[Fed], *, on_gpu: bool, whole_files: bool, side: int | None) -> Any:
    fed, lookups, colours = fn.external_source(source, num_outputs=3)
    pictures: Any = fn.decoders.image(
        fed if whole_files else fn.io.file.read(fed),
        device="mixed" if on_gpu else "cpu",
        output_type=types.RGB,
    )
    shapes = pictures.shape()
    if side is not None:  # the middle; a picture that is too small stops here or at the check of its shape
        pictures = fn.crop(pictures, crop=(side, side), out_of_bounds_policy="pad")
    # Without a fill value the border is repeated.
    crops = fn.warp_affine(pictures, matrix=lookups, size=(CROP_SIZE_PX, CROP_SIZE_PX))
    # The operator for points takes pixels as well: a colour is a point in RGB.
    return fn.coord_transform(crops, MT=colours, dtype=types.UINT8), shapes
