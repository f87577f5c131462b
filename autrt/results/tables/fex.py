"""Results under the names of py-feat's data frames (`Fex`); imported only when needed."""

from __future__ import annotations

import re

import pandas as pd

from autrt.results.reader import Results
from autrt.results.tables.dataframe import results_dataframe


def results_fex(results: Results) -> pd.DataFrame:
    """Return a video's table as py-feat names it; see `Results.to_fex`."""
    table = results_dataframe(results, ["box", "score", "smoothed"], False, None)
    smoothed = [name for name in table.columns if name.endswith("_smoothed")]
    return pd.DataFrame(
        {
            "input": table["video"],
            "frame": table["frame"],
            "time_s": table["time_s"],
            "track": table["track"],
            "FaceRectX": table["box_x0"],
            "FaceRectY": table["box_y0"],
            "FaceRectWidth": table["box_x1"] - table["box_x0"],
            "FaceRectHeight": table["box_y1"] - table["box_y0"],
            "FaceScore": table["score"],
            **{_name(column.removesuffix("_smoothed")): table[column] for column in smoothed},
        }
    )


def _name(au: str) -> str:
    """Return py-feat's name of an Action Unit: with two digits."""
    return re.sub(r"^AU(\d)$", r"AU0\1", au)
