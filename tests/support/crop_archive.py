"""An archive of aligned crops and its results of one process, for test modules that state `VIDEOS`."""

from __future__ import annotations

from pathlib import Path

import pytest

import autrt
from tests.support.crop_folders import write_crop_folders


@pytest.fixture(scope="module")
def archive(request, tmp_path_factory) -> Path:
    """Folders of aligned crops, which need no face detector: as many in each as the module's `VIDEOS` say."""
    root = tmp_path_factory.mktemp("archive")
    write_crop_folders(root, request.module.VIDEOS)
    return root


@pytest.fixture(scope="module")
def plain(archive, tmp_path_factory) -> Path:
    """Results of one process."""
    out = tmp_path_factory.mktemp("plain")
    assert autrt.infer(archive, out, aligned=True, offline=True, workers=1).failed == {}
    return out
