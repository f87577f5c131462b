"""What a results file says, in one table: `python scripts/summarise.py RESULTS.h5 …`."""

from __future__ import annotations

import sys

import autrt
from autrt.aus import AU_MEANING


def summarise(path: str) -> None:
    """Print faces, tracks, and for each AU how often it is active, its mean and where it peaks."""
    with autrt.open_results(path) as results:
        times_s = results.frames["time_s"]
        frame, active, smoothed = (results.faces[name] for name in ("frame", "active", "smoothed"))
        seen = len(set(frame.tolist()))
        print(
            f"\n{path}: {results.n_frames} frames, a face in {seen} of them, {len(results.tracks)} track(s)"
        )
        if not results.n_faces:
            return
        print(f"  {'AU':5} {'':22} {'active':>7} {'mean':>6} {'peak':>6}  at")
        for a, name in enumerate(results.au_names):
            peak = int(smoothed[:, a].argmax())
            print(
                f"  {name:5} {AU_MEANING.get(name, ''):22} {active[:, a].mean():7.0%} "
                f"{smoothed[:, a].mean():6.2f} {smoothed[peak, a]:6.2f}  {times_s[frame[peak]]:.2f} s"
            )


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        summarise(argument)
