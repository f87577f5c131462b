"""MediaPipe Face Landmarker over a clip: `python mediapipe_clip.py CLIP TASK`, in an environment that has it.

Decoding, detection and blendshapes, one face, in video mode, as its documentation shows it.
"""
# It runs in an environment without this project, and is type-checked in one without MediaPipe.
# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import cv2
import mediapipe as mp
from mediapipe.tasks import python as tasks
from mediapipe.tasks.python import vision


def main(clip: str, task: str) -> None:
    """Print the results; the time counts from decoding of the first frame to the last frame's result."""
    options = vision.FaceLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_path=task),
        running_mode=vision.RunningMode.VIDEO,
        output_face_blendshapes=True,
        num_faces=1,
    )
    capture = cv2.VideoCapture(clip)
    rate = capture.get(cv2.CAP_PROP_FPS) or 30
    frames = faces = 0
    time_ms = -1
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        start_s = time.perf_counter()
        while True:
            there, bgr = capture.read()
            if not there:
                break
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
            time_ms = max(
                time_ms + 1, int(1000 * frames / rate)
            )  # some containers state 1000 frames a second
            found = landmarker.detect_for_video(image, time_ms)
            frames += 1
            faces += len(found.face_blendshapes)
        seconds = time.perf_counter() - start_s
    done = {"event": "done", "frames": frames, "faces": faces, "seconds": seconds}
    print(json.dumps({**done, "version": version("mediapipe")}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
