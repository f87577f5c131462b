"""An ensemble of finished models, as it is packaged: `python scripts/join_models.py FACTS.json OUT MODEL MODEL …`.

Each AU's logit is the mean of the models'; thresholds are averaged until scripts/calibrate_people.py sets them.
Landmarks and presence are the first model's. FACTS.json is an object: what it holds becomes the ensemble's notes,
but for `licence` and `windows`, as for scripts/package_model.py.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from autrt.model.assemble import save_ensemble
from autrt.model.folder import load_model


def join(facts: dict[str, Any], out: Path, models: list[str]) -> None:
    """Write OUT."""
    opened = [load_model(model) for model in models]
    first = opened[0]
    windows: dict[str, int] = facts.pop("windows", {})
    own = zip(first.au_names, first.smoothing_windows.tolist(), strict=True)
    save_ensemble(
        out,
        opened,
        np.full((len(opened), len(first.au_names)), 1, np.float32),
        thresholds=np.mean([model.thresholds for model in opened], axis=0).round(4).tolist(),
        smoothing_windows=[windows.get(au, int(window)) for au, window in own],
        smoothing_domain=first.smoothing_domain,
        licence=facts.pop("licence", None),
        notes=facts,
        overwrite=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("facts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+")
    given = parser.parse_args()
    join(json.loads(given.facts.read_text()), given.out, given.models)
