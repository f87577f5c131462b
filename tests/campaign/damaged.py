"""Random clips, damaged at random, done by the command and compared with what PyAV says of the whole clip."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt import open_results
from autrt.errors import AutrtError
from autrt.results.verification.verify import verify
from autrt.types import Source
from autrt.video.open import open_decoder
from tests.campaign.command import infer_command, start, tail
from tests.campaign.damage import draw_damage
from tests.campaign.draw import DrawnClip, draw_clip, stamps_of_packets
from tests.campaign.journal import Journal
from tests.support.command import manifest
from tests.support.media import decoded_alone

BATCH: Final = 24
LIMIT_S: Final = 900.0
_CLOSE_S: Final = 0.0015
"""Times are true within this: containers round to a millisecond."""
_GREY: Final = 12.0
"""Mean difference of a picture from the clip's own, in grey levels, from which it counts as another."""


@dataclass(kw_only=True)
class DamageCampaign:
    """Damaged inputs, each made from the seed and its number alone.

    Args:
        scratch: folder for inputs and outputs.
        journal: takes the cases.
        seed: of the campaign.
        workers: processes of a run.
    """

    scratch: Path
    journal: Journal
    seed: int
    workers: int = 2

    def run(self, deadline_s: float, most: int) -> None:
        """Try batches until a time (`time.monotonic`) or a number of inputs is reached."""
        while time.monotonic() < deadline_s and self.journal.next < most:
            first = self.journal.next
            self.batch(range(first, min(first + BATCH, most)))

    def batch(self, cases: Sequence[int]) -> None:
        """Make some inputs, do them in one run, and record how each fared. Inputs with faults are kept."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch, prefix="damaged-"))
        for name in ("whole", "in", "kept"):
            (folder / name).mkdir()
        drawn = {case: self._draw(case, folder) for case in cases}
        log = folder / "log"
        running = start(infer_command(folder / "in", folder / "out", "--workers", str(self.workers)), log)
        ended: int | str
        try:
            ended = running.wait(LIMIT_S)
        except Exception:  # it hangs: the manifest says at what
            running.kill()
            running.wait()
            ended = "hung"
        events = manifest(folder / "out")
        for case, (clip, damage) in drawn.items():
            event = events.get(clip.path.name, {"status": "missing", "reason": tail(log)})
            found = judge(clip, folder / "in" / clip.path.name, folder / "out", damage, event, ended)
            if found["faults"]:
                shutil.copy(folder / "in" / clip.path.name, folder / "kept")
            self.journal.add(
                case, **clip.facts(), damage=damage, **found, at=str(folder) if found["faults"] else ""
            )
        if not any((folder / "kept").iterdir()):
            shutil.rmtree(folder)

    def _draw(self, case: int, folder: Path) -> tuple[DrawnClip, str]:
        random_ = random.Random(f"{self.seed}/{case}")
        clip = draw_clip(random_, folder / "whole", f"{case:05d}")
        damage, data = draw_damage(random_, clip.container, clip.path.read_bytes())
        (folder / "in" / clip.path.name).write_bytes(data)
        return clip, damage


def judge(
    clip: DrawnClip, damaged: Path, out: Path, damage: str, event: dict[str, Any], ended: int | str
) -> dict[str, Any]:
    """Return how an input fared, and what is wrong with that.

    Args:
        clip: the whole clip.
        damaged: the input.
        out: folder of the results.
        damage: its name; none for a whole input.
        event: the last line of the manifest about the input.
        ended: exit code of the run, or "hung".
    """
    status, reason = event["status"], event.get("reason", "")
    found: dict[str, Any] = {"status": status, "faults": [], "unknowable": "", "reason": reason[:200]}
    faults: list[str] = found["faults"]
    if status in ("missing", "started", "stopped"):
        faults.append(
            "hang" if ended == "hung" else f"no end was recorded; the run ended with {ended}: {reason}"
        )
        return found
    if "internal error" in reason or "crashes the process" in reason:
        faults.append(f"crash: {reason}")
    if damage == "none" and status != "ok":
        faults.append(f"false loss: {status}: {reason}")
    if status == "failed":
        return found
    target = out / f"{damaged.name}.h5"
    if problems := verify(target):
        faults.append(f"results: {problems[0]}")
        return found
    truth = decoded_alone(clip.path)
    with open_results(target) as results:
        times_s = results.frames["time_s"][:]
        found["read"] = len(times_s)
    if status != "ok" or reason:
        return found
    if len(times_s) < len(truth):
        said_nothing = f"unsaid loss: {len(times_s)} of {len(truth)} frames"
        if damage == "cut_end" and not clip.states_length:
            found["unknowable"] = said_nothing
        else:
            faults.append(said_nothing)
    elif damage == "none":
        faults += [fault for fault in [_wrong_times(clip, times_s, truth)] if fault]
    elif len(times_s) == len(truth) and (other := _other_pictures(clip, damaged)):
        found["unknowable"] = f"{other} pictures differ"
    return found


def _wrong_times(clip: DrawnClip, times_s: np.ndarray[Any, Any], truth: Sequence[tuple[float, Any]]) -> str:
    """Return how times and number of frames differ from those of PyAV's packets and frames, if they do."""
    stamps = np.array(stamps_of_packets(clip.path))
    if len(times_s) != len(truth):
        return f"{len(times_s)} frames, PyAV decodes {len(truth)}"
    if len(stamps) != len(times_s):
        return ""  # packets without stamps, or hidden ones: the frames' own times are compared
    rising = np.diff(stamps, prepend=-1) > 0  # FFmpeg gives some pictures of program streams equal times
    off_s = float(np.abs((times_s - times_s[0]) - stamps)[rising].max())
    return f"times differ by up to {off_s:.4f} s from the packets'" if off_s > _CLOSE_S else ""


def _other_pictures(clip: DrawnClip, damaged: Path) -> int:
    """Return how many pictures of a damaged input differ from the whole clip's."""
    try:
        first, second = (_thumbnails(path) for path in (clip.path, damaged))
    except AutrtError:
        return 0
    if len(first) != len(second):
        return abs(len(first) - len(second))
    return int((np.abs(first - second).mean(axis=(1, 2, 3)) > _GREY).sum()) if len(first) else 0


def _thumbnails(path: Path) -> np.ndarray[Any, Any]:
    decoder = open_decoder(Source(path, path.name, "video"))
    try:
        return np.stack([frame.image.rgb()[::4, ::4].astype(np.float32) for frame in decoder])
    finally:
        decoder.close()


def summary(cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each kind of damage."""
    rows: list[dict[str, Any]] = []
    for damage in [*sorted({case["damage"] for case in cases}), "all"]:
        mine = [case for case in cases if damage in (case["damage"], "all")]
        kinds = [fault.split(":")[0] for case in mine for fault in case["faults"]]
        rows.append(
            {
                "damage": damage,
                "inputs": len(mine),
                **{
                    status: sum(case["status"] == status for case in mine)
                    for status in ("ok", "partial", "failed")
                },
                "hangs": kinds.count("hang"),
                "crashes": kinds.count("crash"),
                "unsaid losses": kinds.count("unsaid loss"),
                "other faults": sum(kind not in ("hang", "crash", "unsaid loss") for kind in kinds),
                "cannot be known": sum(bool(case["unknowable"]) for case in mine),
            }
        )
    return rows
