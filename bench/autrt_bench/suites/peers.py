"""Other programs on the same clip, in turns with this one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from autrt.download.fetch import fetch
from autrt.errors import AutrtError
from autrt_bench.inputs.clips import demo_clip
from autrt_bench.measure.command import run_command
from autrt_bench.measure.infer_command import PEAK, SPEED, infer
from autrt_bench.peers import PEERS, Peer
from autrt_bench.peers.environment import interpreter, variable
from autrt_bench.types import BenchSettings, Case, Group, Metric, Skipped, Turn, Values

WHOLE: Final = Metric(name="with start-up", unit="frames/s", better="higher")
FACES: Final = Metric(name="faces", unit="/frame", better="neither", exact=True)
RATIO: Final = Metric(name="speed ratio", unit="×", better="higher")

PRESETS: Final = ("balanced", "max", "fast")


def peers(settings: BenchSettings) -> Iterator[Group | Skipped]:
    """Measure frames a second, from decoding of the first frame to the last result, for each clip."""
    programs: list[tuple[Peer, Path, Path]] = []
    for peer in PEERS:
        try:
            programs.append((peer, interpreter(peer, settings.log), fetch(peer.file, report=settings.log)))
        except AutrtError as error:
            hint = f"{variable(peer)} can name an environment that has it"
            yield Skipped(peer.name, f"{error} ({hint})")
    for clip in settings.clips or (demo_clip(settings.log),):
        if programs:
            yield _group(clip, programs, settings)


def _group(clip: Path, programs: list[tuple[Peer, Path, Path]], settings: BenchSettings) -> Group:
    own_cases = [
        Case(f"{OURS}{preset} {clip.name}", partial(_measure_autrt, clip, preset, settings))
        for preset in (PRESETS[:1] if settings.quick else PRESETS)
    ]
    other_cases = [
        Case(f"{peer.name} {clip.name}", partial(_measure_peer, clip, peer, python, file))
        for peer, python, file in programs
    ]
    return Group(cases=[*own_cases, *other_cases], derive=_ratios)


OURS: Final = "autrt "


def _measure_autrt(clip: Path, preset: str, settings: BenchSettings) -> Values:
    done = infer([clip], settings, "--quality", preset)
    return {
        SPEED: done.frames / done.run_s,
        WHOLE: done.frames / done.cost.wall_s,
        FACES: done.faces / done.frames,
        PEAK: done.peak_mb,
    }


def _measure_peer(clip: Path, peer: Peer, python: Path, file: Path) -> Values:
    cost = run_command([str(python), str(peer.script), str(clip), str(file)])
    done = next(event for _, event in cost.events() if event["event"] == "done")
    return {
        SPEED: done["frames"] / done["seconds"],
        WHOLE: done["frames"] / cost.wall_s,
        FACES: done["faces"] / done["frames"],
        PEAK: cost.peak_bytes / 1e6,
    }


def _ratios(turn: Turn) -> Turn:
    """Return the ratios of our speed to that of the others, within a turn."""
    own_cases = {name: values for name, values in turn.items() if name.startswith(OURS)}
    other_cases = {name: values for name, values in turn.items() if not name.startswith(OURS)}
    return {
        f"{a} / {b.partition(' ')[0]}": {RATIO: own[SPEED] / other[SPEED]}
        for a, own in own_cases.items()
        for b, other in other_cases.items()
    }
