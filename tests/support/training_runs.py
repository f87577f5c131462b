"""Fixtures for tests that train."""

from __future__ import annotations

import pytest


@pytest.fixture
def weights_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """End runs without the finished model and the loader's speed, which take longer than these trainings."""
    for name in ("_finish", "_log_rate"):
        monkeypatch.setattr(f"autrt_train.train.{name}", lambda *_: None)
