"""Settings of all tests."""

from __future__ import annotations

import os

# Tests run beside each other, on networks so small that several threads mostly wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
