"""A finetuned model as it is packaged: `python scripts/package_model.py MODEL START FACTS.json OUT`.

The reference crops are the start's, which are of rendered faces: int8 takes its ranges from them, and they show
nobody. FACTS.json is an object: what it holds is added to what the model's file says of its training, but for
`licence`, which becomes the model's, and `windows`, AU → frames of smoothing.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from autrt.engine.parity import read_reference
from autrt.model.export import save_model
from autrt.model.folder import load_model
from autrt.model.load import load_network
from autrt.model.schema import MODEL_FILE, ModelFile, read_json


def package(model: str, start: str, facts: dict[str, Any], out: Path) -> None:
    """Write OUT."""
    opened = load_model(model)
    file = read_json(opened.path / MODEL_FILE, ModelFile)
    windows: dict[str, int] = facts.pop("windows", {})
    licence: str = facts.pop("licence", opened.licence)
    save_model(
        out,
        load_network(opened.members[0]),
        crops=read_reference(load_model(start).members[0])[0],
        licence=licence,
        thresholds=list(file.thresholds),
        smoothing_windows=[
            windows.get(au, int(own)) for au, own in zip(opened.au_names, file.smoothing_windows, strict=True)
        ],
        smoothing_domain=opened.smoothing_domain,
        metrics=file.metrics,
        grades=file.grades,
        training={**file.training, **facts},
        overwrite=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("model", "start"):
        parser.add_argument(name)
    for name in ("facts", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    package(given.model, given.start, json.loads(given.facts.read_text()), given.out)
