"""Columns of an open file's `/faces` for further outputs of the networks, as the file describes them."""

from __future__ import annotations

from autrt.results.hdf5_attributes import text_of
from autrt.results.reader import Results
from autrt.results.schema import EVERY_MODEL, Column


def extra_columns(results: Results) -> dict[str, Column]:
    """Return the columns of `/faces` for further outputs that a results file has, by name, as it describes them.

    Raises:
        ResultsError: the file is damaged.
    """
    found: dict[str, Column] = {}
    for name in results.faces.columns:
        if name not in EVERY_MODEL:
            dataset = results.faces.dataset(name)
            about = dict(dataset.attrs.items())
            unit, description = text_of(about, "unit") or "", text_of(about, "description") or ""
            found[name] = Column(
                "faces", name, dataset.dtype.name, unit, description, dataset.shape[1:], optional=True
            )
    return found
