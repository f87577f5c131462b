"""Processor time and waits of this process by the stage of the pipeline that they are spent in.

Samples, many times a second, what each thread is in the middle of, and how much processor time the kernel has
counted for it since the last sample. Linux alone.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Final

import autrt

SYNC: Final = "sync and names"
OTHERS: Final = "others"
START: Final = "start"
"""Loading of modules and engines."""

STAGES: Final = {
    "results/verification": "verify",
    "results/source_hash": "hash of the source",
    "results/fingerprint": "hash of the source",
    "results": "write",
    "storage": SYNC,
    "postprocess": "smooth and decide",
    "pipeline/sink": "write",
    "face/detect.py": "detect",
    "face/coarse_to_fine": "detect",
    "face/detection_": "detect",
    "face/shots": "track",
    "face/track.py": "track",
    "face/person": "people",
    "face/people": "people",
    "face/appearance": "people",
    "face/track_samples": "people",
    "pipeline/split_people": "people",
    "face": "align",
    "pipeline/align": "align",
    "pipeline/realign": "align",
    "pipeline/check_alignment": "align",
    "engine/memory": "align",
    "engine": "network",
    "video": "decode",
    "pipeline/open_networks": START,
    "pipeline": "between stages",
    "run/do_video": "between stages",
    "run/source_watch": "hash of the source",
    "run/manifest": "plan and manifest",
    "run": "plan and manifest",
    "console": "plan and manifest",
    "cli": START,
    "": START,
}
"""Beginning of a module's path in the package → its stage; the first that fits."""

PASSED_OVER: Final = (
    "video/planar_image", "video/tone_mapping", "video/colour", "types/", "extras", "errors", "results/attributes",
    "engine/backends", "engine/cache", "engine/open", "engine/inputs",
    "results/hdf5_attributes", "results/header", "results/reader", "results/table.py", "results/tracks",
)  # fmt: skip
"""Modules that work for the stage that calls them."""

EVERY_S: Final = 0.01

_IDLE: Final = 0.05
"""Share of the time between two samples up to which a process that used a core or waited for one counts as idle."""

_ENGINES: Final = {True: "network", False: "detect"}
"""Stage of an engine, by whether its network has AUs."""

_PACKAGE: Final = str(Path(autrt.__file__).parent) + os.sep


class StageSampler:
    """Samples this process from `start` to `stop`.

    Attributes:
        cpu_s: processor time by stage; that of the sampling itself is left out.
        idle_s: time in which no thread computed or waited for a core: in `sync and names` where a thread was
            there, which waits for the disk; otherwise in `others`.
    """

    def __init__(self) -> None:
        self.cpu_s = defaultdict[str, float](float)
        self.idle_s = defaultdict[str, float](float)
        self._own_s = 0.0
        self._seen_ns: dict[int, tuple[int, int]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stage-sampler", daemon=True)

    def start(self) -> None:
        """Begin; processor time from before counts as the first sample's."""
        self._thread.start()

    def stop(self) -> None:
        """End; processor time that no sample saw, of threads that ended before the next, counts as `others`."""
        self._stop.set()
        self._thread.join()
        self.cpu_s[OTHERS] += max(0.0, time.process_time() - self._own_s - sum(self.cpu_s.values()))

    def _run(self) -> None:
        own, last_s = threading.get_native_id(), time.monotonic()
        while not self._stop.wait(EVERY_S):
            stages, now_s = _stages_of_threads(own), time.monotonic()
            busy = {thread: used for thread, used in self._since_last().items() if thread != own}
            if sum(map(sum, busy.values())) < _IDLE * (now_s - last_s):
                self.idle_s[SYNC if SYNC in stages.values() else OTHERS] += now_s - last_s
            engines = [stage for stage in stages.values() if stage in _ENGINES.values()] or ["network"]
            for thread, (cpu_s, _) in busy.items():
                # An engine's own threads run no Python: they compute for those that wait for them.
                at_work = [stages[thread]] if thread in stages else engines
                for stage in at_work:
                    self.cpu_s[stage] += cpu_s / len(at_work)
            last_s = now_s
        self._own_s = time.thread_time()

    def _since_last(self) -> dict[int, tuple[float, float]]:
        """Return each thread's seconds on a core, and in wait for one, since the last sample."""
        found: dict[int, tuple[float, float]] = {}
        for task in Path("/proc/self/task").iterdir():
            try:
                cpu_ns, waited_ns = map(int, (task / "schedstat").read_text().split()[:2])
            except (OSError, ValueError):  # it has ended
                continue
            thread = int(task.name)
            before = self._seen_ns.get(thread, (0, 0))
            found[thread] = (cpu_ns - before[0]) / 1e9, (waited_ns - before[1]) / 1e9
            self._seen_ns[thread] = cpu_ns, waited_ns
        return found


def _stages_of_threads(own: int) -> dict[int, str]:
    """Return the stage of each thread but one, by its native number."""
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
    alive = {thread.ident: thread.native_id for thread in threading.enumerate()}
    return {
        native: _stage(frame)
        for ident, frame in frames.items()
        if (native := alive.get(ident)) is not None and native != own
    }


def _stage(frame: FrameType | None) -> str:
    """Return the stage of the innermost function that belongs to one."""
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith("<frozen importlib"):
            return START
        if path.startswith(_PACKAGE):
            module = path.removeprefix(_PACKAGE)
            if module == "engine/pool.py" and frame.f_code.co_name == "_run":
                return _ENGINES[bool(frame.f_locals["self"].spec.au_names)]
            if not module.startswith(PASSED_OVER):
                return next(stage for start, stage in STAGES.items() if module.startswith(start))
        frame = frame.f_back
    return START
