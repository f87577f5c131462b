"""Jobs of the rendering processes: one person's pictures or one video, written into the data set's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2

from autrt.types import U8
from autrt_train.synth.dataset.labels import Labels, label_rows, picture_path
from autrt_train.synth.dataset.settings import SynthSettings
from autrt_train.synth.dataset.stills import draw_stills
from autrt_train.synth.dataset.video import record_video
from autrt_train.synth.rig.generated_head import generated_rig
from autrt_train.synth.rig.rig import Rig, load_rig
from autrt_train.synth.scene.face import FaceRenderer

GENERATED_HEAD: Final = "stand-in"
"""Name of the generated head, which replaces a rig in tests."""
JPEG_QUALITY: Final = 95

DrawJob = tuple[str, int]
"""`person` or `video`, and a number."""

_worker_state: tuple[FaceRenderer, SynthSettings, Path] | None = None
"""State of this process: renderer, settings and folder."""


def open_rig(name: str | Path) -> Rig:
    """Open the rig at a path, or the generated one named `stand-in`.

    Raises:
        DataError: there is no rig, or it is damaged.
    """
    return generated_rig() if str(name) == GENERATED_HEAD else load_rig(Path(name))


def start_worker(rig: str | Path, settings: SynthSettings, folder: Path) -> None:
    """Prepare a rendering process."""
    global _worker_state
    _worker_state = FaceRenderer(open_rig(rig)), settings, folder


def run_job(job: DrawJob) -> Labels:
    """Render one person or one video; return a person's labels."""
    assert _worker_state is not None, "begin_drawing comes first"
    renderer, settings, folder = _worker_state
    kind, number = job
    if kind == "video":
        (folder / "videos").mkdir(exist_ok=True)
        record_video(folder / "videos" / f"v{number + 1:04d}.mp4", renderer, settings, number)
        return {}
    stills = list(draw_stills(renderer, settings, number))
    (folder / picture_path(number, 1)).parent.mkdir(parents=True)
    for frame, still in enumerate(stills, 1):
        _write_jpeg(folder / picture_path(number, frame), still.pixels)
    return label_rows(stills, settings, number)


def _write_jpeg(path: Path, pixels: U8) -> None:
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    path.write_bytes(data.tobytes())
