"""The faces of a video that are kept, under which track ids: all, or the largest of each frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autrt.postprocess.main_face import areas_by_track, largest_faces, rank_tracks
from autrt.results.spool import Span, Spool
from autrt.types import F32, I32, Bool


class AllFaces:
    """Keeps every face and every track id."""

    def apply(self, span: Span) -> Span:
        """Return the span as it is."""
        return span

    def of_tracks(self, values: I32) -> I32:
        """Return the values of all tracks, by id."""
        return values


class LargestFaces:
    """Keeps the faces of the tracks with the largest median area, at most `most` a frame.

    Track ids count anew, by first appearance among the kept faces; so spans must come in order of time, from the
    start. They may overlap, and the same ones may come any number of times.

    Args:
        spool: holds the whole video. It is read once; 4 bytes a face are held meanwhile.
        most: at least 1.
    """

    def __init__(self, spool: Spool, most: int) -> None:
        areas: dict[int, list[F32]] = {}
        for span in spool.blocks():
            faces = span.block.faces
            for track, some in areas_by_track(faces.track, faces.boxes).items():
                areas.setdefault(track, []).append(some)
        self._ranks = rank_tracks({track: np.concatenate(parts) for track, parts in areas.items()})
        self._most = most
        self._ids: dict[int, int] = {}

    def apply(self, span: Span) -> Span:
        """Return the span with the kept faces alone, under their new track ids."""
        faces = span.block.faces
        kept = largest_faces(faces.row, faces.track, self._ranks, self._most)
        new_ids = [self._ids.setdefault(track, len(self._ids)) for track in faces.track[kept].tolist()]
        return _kept_faces(span, kept, np.array(new_ids, np.int32))

    def of_tracks(self, values: I32) -> I32:
        """Return, by new id, the values of the tracks that were kept so far, of all by their old ids."""
        return values[list(self._ids)]


def _kept_faces(span: Span, kept: Bool, track: I32) -> Span:
    """Return the span with some of its faces, ordered by frame, then by their new `track`."""
    faces = replace(span.block.faces[kept], track=track)
    order = np.lexsort((faces.track, faces.row))
    outputs = {name: values[kept][order] for name, values in span.block.outputs.items()}
    before = np.concatenate([[0], np.cumsum(kept)])
    return span._replace(
        block=replace(span.block, faces=faces[order], outputs=outputs),
        faces=slice(int(before[span.faces.start]), int(before[span.faces.stop])),
    )
