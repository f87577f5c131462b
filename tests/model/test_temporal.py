"""Model folders with a temporal network."""

from __future__ import annotations

import json

import numpy as np
import pytest

from autrt.engine.temporal import TemporalEngine
from autrt.errors import UsageError
from autrt.model.assemble import save_ensemble
from autrt.model.digest import file_digest
from autrt.model.temporal import TemporalConfig
from autrt.model.temporal_folder import save_with_temporal
from autrt.postprocess.temporal import TILE_TICKS, temporal_logits
from autrt_train.temporal.fit import TorchTicks
from tests.support.models import copied, reloaded
from tests.support.ticks import rows, small_network

pytest_plugins = ("tests.support.model_fixtures",)


def test_folder_is_the_start_with_a_network_in_place_of_windows(student_model, temporal_model):
    assert temporal_model.network_digests == student_model.network_digests
    assert temporal_model.digest != student_model.digest
    assert set(temporal_model.smoothing_windows.tolist()) == {1}
    changed = temporal_model.thresholds != student_model.thresholds
    assert [au for au, new in zip(temporal_model.au_names, changed, strict=True) if new] == ["AU12"]
    temporal_model.verify()
    stated = json.loads((temporal_model.path / "model.json").read_text())
    assert stated["schema"] == "autrt-model/2"
    assert stated["temporal"]["file"]["sha256"] == file_digest(temporal_model.path / "temporal.onnx")
    plain = json.loads((student_model.path / "model.json").read_text())
    assert plain["schema"] == "autrt-model/1"
    assert "temporal" not in plain


def test_graph_computes_what_torch_does(temporal_model):
    logits, features, track, time_s = rows(300, 128, 1)
    logits = np.tile(logits, (1, 4))
    stated = json.loads((temporal_model.path / "model.json").read_text())["temporal"]["architecture"]
    windows = tuple(stated["windows"])
    network = small_network(features=128, au_names=temporal_model.au_names, windows=windows)
    engine = TemporalEngine(temporal_model.temporal)
    found = temporal_logits(engine, logits, features, track, time_s, 1 / 30)
    expected = temporal_logits(TorchTicks(network), logits, features, track, time_s, 1 / 30)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_damaged_temporal_network_is_refused(temporal_model, tmp_path, damage):
    folder = copied(temporal_model, tmp_path / "model")
    file = folder / "temporal.onnx"
    if damage == "missing":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    with pytest.raises(UsageError, match=r"temporal\.onnx"):
        reloaded(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "autrt-model/1"}, "expected number 2 with a temporal network"),
        ({"temporal": None}, "expected number 1 without a temporal network"),
        ({"smoothing_windows": [10] * 12}, "expected 1 for every AU beside a temporal network"),
    ],
)
def test_description_that_contradicts_itself_is_refused(temporal_model, tmp_path, changes, message):
    folder = copied(temporal_model, tmp_path / "model")
    stated = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(stated | changes))
    with pytest.raises(UsageError, match=message):
        reloaded(folder)


def test_second_temporal_network_is_refused(temporal_model, tmp_path):
    network = small_network(au_names=temporal_model.au_names, windows=(1,) * 12)
    with pytest.raises(UsageError, match="name the model that it was made from"):
        save_with_temporal(tmp_path / "twice", temporal_model, network, tile_ticks=TILE_TICKS, thresholds={})
    assert not (tmp_path / "twice").exists()


def test_member_of_an_ensemble_keeps_its_own_unused(temporal_model, tmp_path):
    ensemble = save_ensemble(
        tmp_path / "ensemble",
        [temporal_model],
        np.ones((1, 12), np.float32),
        thresholds=[0.5] * 12,
        smoothing_windows=[10] * 12,
    )
    assert ensemble.temporal is None
    member = reloaded(tmp_path / "ensemble" / "members" / temporal_model.name)
    assert member.digest == temporal_model.digest


def test_sizes_out_of_range_are_refused():
    for changes in ({"kernel": 4}, {"heads": 3}, {"windows": (1,)}, {"layers": 0}, {"kind": "lstm"}):
        with pytest.raises(UsageError, match="expected"):
            TemporalConfig(**{"au_names": ("AU1", "AU2"), "windows": (1, 1), **changes})
