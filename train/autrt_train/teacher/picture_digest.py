"""A digest that identifies pictures, independent of their labels."""

from __future__ import annotations

import hashlib
import os

import numpy as np

from autrt.storage.escape import escape
from autrt_train.packed.picture_files import picture_facts
from autrt_train.types import DataError, Index


def pictures_digest(index: Index) -> str:
    """Return the SHA-256 (hex) over alignment and every picture's path, size and modification time, not labels.

    Raises:
        DataError: a picture is missing.
    """
    found = hashlib.sha256(f"{index.template} {index.margin_px} ".encode())
    found.update(np.ascontiguousarray(index.paths).view(np.uint8).tobytes())
    for path in index.paths.tolist():
        try:
            facts = picture_facts(path)
        except OSError as error:
            name = escape(os.fsdecode(path))
            raise DataError(f"{name}: expected a picture, found {error.strerror}: cut it out anew") from error
        found.update(f"{facts.size_bytes} {facts.modified_ns};".encode())
    return found.hexdigest()
