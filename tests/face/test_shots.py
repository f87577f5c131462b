"""Scene cuts on made-up pictures."""

from __future__ import annotations

import numpy as np
import pytest

from autrt.face.shots import split_shots
from autrt.types import Frame


class Still:
    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def thumbnail(self, width: int, height: int) -> np.ndarray:
        return self.pixels


def scene(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3))
    return np.kron(coarse, np.ones((3, 4, 1))).astype(np.uint8)


def starts(pictures):
    frames = [Frame(index=i, pts=i, time_s=i / 30, image=Still(pixels=p)) for i, p in enumerate(pictures)]
    shots = list(split_shots(frames))
    assert [s.frame.index for s in shots] == list(range(len(frames)))
    firsts = [s.frame.index for s in shots if s.first]
    lasts = [s.frame.index for s in shots if s.last]
    assert lasts == [*(f - 1 for f in firsts[1:]), len(frames) - 1]
    return firsts


def noisy(picture, seed):
    return np.clip(picture + np.random.default_rng(seed).normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


def test_hard_cuts_are_found_where_they_are():
    film = [noisy(scene(0), i) for i in range(20)] + [noisy(scene(1), i) for i in range(15)] + [scene(2)] * 9
    assert starts(film) == [0, 20, 35]


def test_a_cut_right_after_the_start_and_right_before_the_end():
    assert starts([scene(0)] + [scene(1)] * 10) == [0, 1]
    assert starts([scene(0)] * 10 + [scene(1)]) == [0, 10]


def test_a_flash_is_no_cut():
    flash = np.full_like(scene(0), 255)
    assert starts([scene(0)] * 10 + [flash] + [scene(0)] * 10) == [0]


def test_fast_pans_and_fades_are_no_cuts():
    pan = [np.roll(scene(0), 2 * i, axis=1) for i in range(40)]
    assert starts(pan) == [0]
    fade = [(scene(0) * (1 - i / 30) + scene(1) * (i / 30)).astype(np.uint8) for i in range(31)]
    assert starts(fade) == [0]


def test_one_picture_is_one_shot():
    assert starts([scene(0)]) == [0]


def test_a_cut_in_dark_footage_is_found():
    dark = [(scene(i) * 0.06).astype(np.uint8) for i in (0, 1)]
    assert np.abs(dark[0].astype(float) - dark[1]).mean() < 8
    assert starts([dark[0]] * 12 + [dark[1]] * 12) == [0, 12]


def test_an_exposure_that_jumps_is_no_cut():
    film = [scene(0)] * 10 + [(scene(0) * 0.4).astype(np.uint8)] * 10
    assert starts(film) == [0]


@pytest.mark.parametrize("gain", [2.5, 4.0])
def test_an_exposure_that_clips_much_of_the_picture_is_no_cut(gain):
    lit = np.clip(scene(0) * gain, 0, 255)
    assert (lit == 255).mean() > 0.55
    film = [noisy(scene(0), i) for i in range(10)] + [noisy(lit, 10 + i) for i in range(10)]
    assert starts(film) == [0]
    assert starts(film[::-1]) == [0]


def test_a_curve_of_tones_that_jumps_is_no_cut():
    bent = 255 * (scene(0) / 255.0) ** 6
    assert starts([scene(0)] * 10 + [noisy(bent, i) for i in range(10)]) == [0]


def test_a_cut_between_overexposed_scenes_is_found():
    lit = [np.clip(scene(i) * 3.0, 0, 255) for i in (0, 1)]
    film = [noisy(lit[i // 12], i) for i in range(24)]
    assert starts(film) == [0, 12]


def test_noise_in_the_dark_is_no_cut():
    assert starts([noisy(np.full_like(scene(0), 8), seed) // 3 for seed in range(30)]) == [0]
