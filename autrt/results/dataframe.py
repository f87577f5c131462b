"""Results as pandas tables; loaded only when one is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autrt.results.columns import face_columns
from autrt.results.reader import Results


def faces_dataframe(results: Results, columns: Sequence[str] | None) -> pd.DataFrame:
    """One row per face in a frame; see `Results.to_dataframe`."""
    return pd.DataFrame(face_columns(results, columns, slice(None)), copy=True)
