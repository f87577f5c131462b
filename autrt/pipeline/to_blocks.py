"""The last stage: segments become blocks of final rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from autrt.types import Block, Segment


def to_blocks(segments: Iterable[Segment]) -> Iterator[Block]:
    """Wait for the outputs of realigned faces, and yield each segment's final rows.

    Args:
        segments: with outputs, and pending outputs of the faces in `realigned`.
    """
    for segment in segments:
        if len(segment.realigned):
            for name, values in segment.pending.result().items():
                segment.outputs[name][segment.realigned] = values
        yield Block(
            index=segment.index,
            pts=segment.pts,
            time_s=segment.time_s,
            damaged=segment.damaged,
            faces=segment.faces,
            outputs=segment.outputs,
            samples=segment.samples,
        )
