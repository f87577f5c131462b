"""The stage that finds misaligned faces by the networks' outputs and starts to detect them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from autrt.face.appearance import small_faces
from autrt.face.misalignment import MisalignmentDetector
from autrt.face.quality import sharpness
from autrt.pipeline.networks import Networks
from autrt.types import Segment


def check_alignment(segments: Iterable[Segment], networks: Networks) -> Iterator[Segment]:
    """Wait for each segment's outputs; add small faces, misalignment, and detections under way where that is large.

    Only the patches of misaligned faces are kept.

    Args:
        segments: with patches and pending outputs, in order.
        networks: their patch detector finds faces again.
    """
    detector = MisalignmentDetector(networks.template)
    for segment in segments:
        segment.outputs = segment.pending.result()
        sparse = segment.sparse_crops.result()
        segment.small_faces, segment.sharpness = small_faces(sparse), sharpness(sparse)
        found = detector.check(
            segment.faces,
            segment.face_time_s,
            segment.outputs.get("landmarks"),
            segment.outputs.get("presence"),
        )
        segment.misalignment = found
        misaligned = np.nonzero(found.to_move | found.to_redetect)[0].tolist()
        segment.patches = {row: segment.patches[row] for row in misaligned}
        for row in np.nonzero(found.to_redetect)[0].tolist():
            patch = segment.patches[row]
            segment.redetections[row] = networks.patch_detector.submit(patch.image, patch.pixel_aspect)
        yield segment
