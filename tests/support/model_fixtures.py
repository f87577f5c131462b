"""Small model folders for tests, written once per session. A pytest plugin."""

from __future__ import annotations

import pytest

from autrt.model.folder import Model
from tests.support.models import pixels


@pytest.fixture(scope="session")
def student_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A random student with landmarks, presence and features. Not to be changed; copy it (`copied`)."""
    import torch

    from autrt.model.export import save_model
    from autrt.model.student import Student
    from tests.support.networks import settled

    torch.manual_seed(3)  # the weights too are the same every time
    folder = tmp_path_factory.mktemp("models") / "random-student"
    return save_model(folder, settled(Student(), seed=3), crops=pixels(16, seed=1), licence="CC0-1.0")


@pytest.fixture(scope="session")
def full_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A small random network of the paper's kind, with all of its methods."""
    import torch

    from autrt.model.export import save_model
    from autrt.model.full import FullConfig, FullNetwork
    from tests.support.networks import settled

    torch.manual_seed(4)
    config = FullConfig(depth=18, width=0.125, ssh_channels=8, level_features=32)
    folder = tmp_path_factory.mktemp("models") / "random-full"
    return save_model(
        folder, settled(FullNetwork(config), seed=4), crops=pixels(8, seed=2), licence="CC0-1.0"
    )


@pytest.fixture(scope="session")
def temporal_model(tmp_path_factory: pytest.TempPathFactory, student_model: Model) -> Model:
    """The random student with a small temporal network over its features, which changes its logits."""
    from autrt.model.temporal_folder import save_with_temporal
    from autrt.postprocess.temporal import TILE_TICKS
    from tests.support.ticks import small_network

    folder = tmp_path_factory.mktemp("models") / "with-time"
    windows = tuple(student_model.smoothing_windows.tolist())
    network = small_network(features=128, au_names=student_model.au_names, windows=windows)
    return save_with_temporal(
        folder, student_model, network, tile_ticks=TILE_TICKS, thresholds={"AU12": 0.25}
    )
