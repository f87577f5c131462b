"""A check of crops' alignment: faces are detected in a sample, and their points compared with the template."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import Any, Final

import cv2
import numpy as np

from autrt.download.fetch import cached
from autrt.errors import AutrtError
from autrt.face.align import similarity
from autrt.pipeline.open_networks import DETECTOR_FILE, open_patch_detector
from autrt.settings import InferSettings
from autrt.template import TEMPLATES
from autrt.types import F32, FaceDetector
from autrt.video.planar_image import PlanarImage, Plane
from autrt_train.annotations.check_pictures import sample_rows
from autrt_train.annotations.map_files import map_files
from autrt_train.annotations.stage_progress import Progress, unreported
from autrt_train.loading.read_picture import read_picture
from autrt_train.types import DataError, Index

SAMPLE: Final = 200
"""Pictures that are looked at."""
LEAST_FOUND: Final = 0.8
"""Share of the pictures in which a face is found, below which the crops are doubted."""
MOST_SHIFT_PX: Final = 5.0
"""Distance of the typical points from the template, above which the crops are doubted: the detector's own bias in
tight crops is 2 to 3 pixels."""
MOST_SCATTER_PX: Final = 12.0
"""Distance that a tenth of the pictures may exceed."""

_ROOM_PX: Final = 67
"""Grey around a crop: faces that fill a picture are hard to detect."""
_GREY: Final = 100


def check_alignment(
    index: Index, progress: Progress = unreported, *, sample: int = SAMPLE, seed: int = 0
) -> dict[str, Any]:
    """Detect faces in a sample of crops and report how far their five points lie from the template.

    Args:
        index: the crops.
        progress: told about the pictures that were looked at.
        sample: number of pictures, drawn by `seed`.
        seed: of the sample.

    Returns:
        JSON values: `looked_at`, `found` (pictures with a face); in crop pixels `median_px` and `p90_px` (the mean
        distance of a picture's five points from the template's), `shift_px` (that of the points' medians);
        `to_crop` (x, y, scale and rotation of the typical face against the template); `not_checked` and `warning`,
        empty or a sentence.
    """
    report: dict[str, Any] = {"looked_at": 0, "found": 0, "not_checked": "", "warning": ""}
    if index.template not in TEMPLATES or not len(index):
        return report | {
            "not_checked": f"the template {index.template!r} is not known, or there is no picture"
        }
    if cached(DETECTOR_FILE) is None:
        return report | {"not_checked": f"the face detector was never fetched: autrt fetch {DETECTOR_FILE}"}
    rows = sample_rows(len(index), sample, seed)
    advance = partial(progress, "crops searched for faces", total=len(rows))
    try:
        with closing(open_patch_detector(InferSettings(), threads=1)) as detector:
            looked = [*map_files(partial(_points, index, detector), rows, advance)]
    except AutrtError as error:
        return report | {"not_checked": str(error)}
    points = [found for found in looked if isinstance(found, np.ndarray)]
    readable = sum(found != "unreadable" for found in looked if not isinstance(found, np.ndarray)) + len(
        points
    )
    report |= {"looked_at": readable, "found": len(points)}
    report |= _distances(np.array(points), TEMPLATES[index.template]) if points else {}
    return report | {"warning": _warning(report)}


def alignment_lines(report: dict[str, Any]) -> list[str]:
    """Return the report of `check_alignment` as text."""
    if report["not_checked"]:
        return [f"  alignment not checked: {report['not_checked']}"]
    line = f"  faces found in {report['found']} of {report['looked_at']} crops"
    if not report["found"]:
        return [line]
    x, y, scale, rotation = (report["to_crop"][name] for name in ("x_px", "y_px", "scale", "rotation_deg"))
    return [
        f"{line}: their points lie {report['median_px']:.1f} px from the template (median; a tenth more than "
        f"{report['p90_px']:.1f}); the typical face {report['shift_px']:.1f} px: moved by ({x:+.1f}, {y:+.1f}) px, "
        f"{scale:.2f} × as large, turned by {rotation:+.1f}°"
    ]


def _points(index: Index, detector: FaceDetector, row: int) -> F32 | str:
    """Return the (5, 2) points of the crop's face in pixels of the crop without margin, or why there are none."""
    try:
        picture = read_picture(index, row)
    except DataError:
        return "unreadable"
    room = max(0, _ROOM_PX - index.margin_px)
    around = cv2.copyMakeBorder(picture, room, room, room, room, cv2.BORDER_CONSTANT, value=(_GREY,) * 3)
    found = detector.submit(PlanarImage((Plane(np.asarray(around, np.uint8)),), None)).result()
    if not len(found):
        return "no face"
    areas = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
    return found.landmarks[int(np.argmax(areas * found.score))] - np.float32(room + index.margin_px)


def _distances(points: F32, template: F32) -> dict[str, Any]:
    """Return the distances of (n, 5, 2) points from the template."""
    each = np.linalg.norm(points - template, axis=2).mean(axis=1)
    typical = np.median(points, axis=0).astype(np.float32)
    matrix = similarity(template, typical)
    centre = template.mean(axis=0)
    moved = typical.mean(axis=0) - centre
    return {
        "median_px": round(float(np.median(each)), 2),
        "p90_px": round(float(np.percentile(each, 90)), 2),
        "shift_px": round(float(np.linalg.norm(typical - template, axis=1).mean()), 2),
        "to_crop": {
            "x_px": round(float(moved[0]), 2),
            "y_px": round(float(moved[1]), 2),
            "scale": round(float(np.hypot(matrix[0, 0], matrix[1, 0])), 3),
            "rotation_deg": round(float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))), 2),
        },
    }


def _warning(report: dict[str, Any]) -> str:
    reasons: list[str] = []
    if report["looked_at"] and report["found"] < LEAST_FOUND * report["looked_at"]:
        reasons.append(f"no face in {report['looked_at'] - report['found']} of {report['looked_at']} crops")
    if report.get("shift_px", 0) > MOST_SHIFT_PX:
        reasons.append(f"the typical face lies {report['shift_px']:.1f} px from the template")
    if report.get("p90_px", 0) > MOST_SCATTER_PX:
        reasons.append(f"a tenth of the faces lie more than {report['p90_px']:.1f} px from it")
    if not reasons:
        return ""
    return (
        f"the crops may be aligned otherwise than the networks expect: {'; '.join(reasons)}: look at some, and cut "
        "them anew with `autrt crop --videos VIDEOS --out CROPS`"
    )
