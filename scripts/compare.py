"""Compare two runs over the same videos: `python scripts/compare.py OUT_A OUT_B`.

Rows are matched by frame and box. Per AU: the share of changed decisions, and the correlation of the smoothed
probabilities; over all: the landmarks' distance in eye distances. For judging a speed-up against
`--detect-every 1`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from autrt_bench.measure.agreement import compare


def main(folder_a: Path, folder_b: Path) -> None:
    """Print the table over all files that both folders hold."""
    found = compare(folder_a, folder_b)
    print(
        f"{len(found.shift)} faces in both, {found.only_a} only in {folder_a}, {found.only_b} only in {folder_b}"
    )
    print(
        f"landmarks differ by {found.shift.mean():.3f} eye distances on average, "
        f"{np.percentile(found.shift, 99):.3f} at p99"
    )
    print(f"{'AU':6}{'changed decisions':>18}{'correlation':>13}")
    for name, changed, r in zip(found.au_names, found.changed.mean(0), found.correlation(), strict=True):
        print(f"{name:6}{changed:18.2%}{r:13.4f}")
    print(f"{'all':6}{found.changed.mean():18.2%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
