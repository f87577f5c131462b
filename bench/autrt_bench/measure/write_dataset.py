"""Make a data set in this process alone, whose peak memory then is that of one worker: RESULTS OUT."""

from __future__ import annotations

import sys
from pathlib import Path

from autrt.errors import AutrtError
from autrt.results.dataset.update import plan_dataset
from autrt.results.dataset.write_part import write_part


def main(results: Path, out: Path) -> None:
    """Write every part."""
    for part in plan_dataset(results, out).parts:
        end = write_part(part, folder=results, out=out)
        if end.error is not None:
            raise end.error
        if end.bad:
            raise AutrtError(end.bad[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
