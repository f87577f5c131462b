"""What a finetuned model reached on people who were left out, for scripts/grade.py: `… RUN > FIGURES.json`.

RUN is the folder of `autrt train finetune`. Each face was judged by a layer and by thresholds that had seen nothing
of its person.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

CODERS = (
    "coded for FACS by one vision-language model that saw no detector's answer (no certified human coder)"
)


def figures(run: Path, unsure: list[str]) -> dict[str, Any]:
    """As scripts/grade.py reads them."""
    report = json.loads((run / "report.json").read_text())
    judged = {au: facts for au, facts in report["aus"].items() if "positives" in facts and au not in unsure}
    people = f"{report['faces']} faces of {report['people']} people"
    return {
        "data_set": f"{people}, {CODERS}; each by a layer and by thresholds that had not seen the person "
        f"({report['folds']} folds), single frames",
        "short": f"{report['faces']} held-out VLM-coded faces",
        "auc": {au: round(facts["auc"]["after"][0], 3) for au, facts in judged.items()},
        "f1_binary": {au: round(facts["f1_binary"]["after"][0], 3) for au, facts in judged.items()},
        "positives": {au: facts["positives"] for au, facts in judged.items()},
        "negatives": {au: facts["negatives"] for au, facts in judged.items()},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument(
        "--unsure", action="append", default=[], metavar="AU", help="codes too unsure to judge by"
    )
    given = parser.parse_args()
    print(json.dumps(figures(given.run, given.unsure), indent=1))
