"""Scores by which checkpoints are chosen: of smoothed pictures where these are frames of videos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest

from autrt.aus import authors_windows
from autrt.errors import UsageError
from autrt_train.fit import validate as module
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.fit.validate import validate
from autrt_train.read_recipe import read_recipe
from autrt_train.recipe import Recipe
from autrt_train.selection import SCORES, SelectBy, score_aus
from autrt_train.smooth_pictures import smooth_pictures
from autrt_train.training_data import read_indices
from autrt_train.types import DataError, Index
from tests.support.pictures import AUS, TINY_RECIPE, write_pictures

VIDEOS, FRAMES = 3, 20


def films(seed: int = 0) -> tuple[Index, np.ndarray]:
    """Pictures of films in any order, and noisy logits that know their labels."""
    rng = np.random.default_rng(seed)
    n = VIDEOS * FRAMES
    labels = (np.sin(np.arange(n)[:, None] / (3, 5, 7)) > 0).astype(np.int8)
    order = rng.permutation(n)
    index = Index(
        paths=np.array([b"/%d" % i for i in range(n)]),
        label_names=AUS,
        labels=labels,
        video=np.repeat(np.arange(VIDEOS, dtype=np.int32), FRAMES),
        video_names=("a", "b", "c"),
        frame=np.tile(np.arange(1, FRAMES + 1, dtype=np.int32), VIDEOS),
        person=np.full(n, -1, np.int32),
    ).take(order)
    return index, (index.labels - 0.4 + rng.normal(0, 0.8, labels.shape)).astype(np.float32)


def test_pictures_are_smoothed_within_their_video_in_any_order():
    index, logits = films()
    found = smooth_pictures(logits, index, 30, [5, 1, 3])
    for row in range(len(index)):
        # Windows of w frames reach (w − 1) / 2 frames to either side.
        apart = np.abs(index.frame - index.frame[row])
        near = [(index.video == index.video[row]) & (apart <= reach) for reach in (2, 0, 1)]
        expected = [logits[rows, au].mean() for au, rows in enumerate(near)]
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def test_two_pictures_of_one_frame_are_refused():
    index, logits = films()
    double = replace(index, frame=np.ones_like(index.frame))
    with pytest.raises(DataError, match="are of one frame"):
        smooth_pictures(logits, double, 30, [5, 5, 5])


def recipe_of(*changes: str) -> Recipe:
    return read_recipe("smoke", ['au_names=["AU1", "AU12", "AU25"]', "model.smoothing_windows={}", *changes])


@pytest.mark.parametrize("select_by", get_args(SelectBy))
def test_checkpoints_are_chosen_by_the_score_that_is_asked_for(
    select_by: SelectBy, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, logits = films()
    monkeypatch.setattr(module, "predict", lambda *_: logits)
    data: Any = SimpleNamespace(validation=index, validation_loader=None)
    found: dict[str, dict[str, float]] = {}
    for rate in ("none", "30"):
        recipe = recipe_of(f"fit.select_by={select_by}", f"data.image_rate={rate}")
        result = validate(SimpleNamespace(), data, recipe, ProcessGroup())  # pyright: ignore[reportArgumentType]
        found[rate] = result.scores
        assert ("f1_posneg_smoothed" in result.facts) == (rate == "30")
    raw = score_aus(logits, index.labels, SCORES[select_by])
    smoothed = score_aus(
        smooth_pictures(logits, index, 30, authors_windows(AUS)), index.labels, SCORES[select_by]
    )
    assert (raw != smoothed).any()
    for rate, expected in (("none", raw), ("30", raw if select_by.endswith("_raw") else smoothed)):
        np.testing.assert_allclose([found[rate][au] for au in AUS], expected)
        assert found[rate]["overall"] == pytest.approx(expected.mean())


def test_the_paper_is_chosen_by_its_own_score_smoothed():
    recipe = read_recipe("paper")
    assert (recipe.fit.select_by, recipe.data.image_rate) == ("f1_posneg", 30)
    assert recipe.fit.validate_every < 1


def test_the_former_name_of_the_interval_is_taken():
    assert read_recipe("smoke", ["fit.judge_every=7"]).fit.validate_every == 7
    with pytest.raises(UsageError, match="validate_every"):
        read_recipe("smoke", ["fit.validate_every=0"])


def test_stills_that_are_called_frames_are_refused_at_the_start(tmp_path: Path) -> None:
    manifest = write_pictures(tmp_path / "pictures")
    lines = [
        ",".join([*(cells := line.split(","))[:3], "1", *cells[4:]]) for line in manifest.read_text().split()
    ]
    manifest.write_text("\n".join([manifest.read_text().split()[0], *lines[1:]]) + "\n")
    (tmp_path / "recipe.toml").write_text(TINY_RECIPE.replace("MANIFEST", str(manifest)))
    recipe = read_recipe(str(tmp_path / "recipe.toml"), ["data.image_rate=30"])
    with pytest.raises(DataError, match="are of one frame"):
        read_indices(recipe, ProcessGroup(), lambda _: None)
