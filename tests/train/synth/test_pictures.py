"""What surrounds a rendered face: backgrounds, occluders, camera faults, placing and compositing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autrt_train.synth.camera.camera import CLEAN, FULL, Camera, CameraFaults, draw_faults
from autrt_train.synth.camera.grade import GREY, Grade
from autrt_train.synth.person.expression import SYNTH_AUS
from autrt_train.synth.scene.background import KINDS, draw_background
from autrt_train.synth.scene.compose import compose, compose_empty, misplaced, warp_face
from autrt_train.synth.scene.draw_occluder import MOSTLY_HIDDEN, draw_cover, draw_occluder
from autrt_train.synth.scene.face import FacePicture
from autrt_train.synth.scene.overlay import over, paste
from autrt_train.synth.scene.paint_occluder import FacePlace

POINTS = np.array([[50, 64], [86, 64], [68, 84], [54, 104], [82, 104]], np.float32)
SKIN = np.array([200, 160, 140], np.float32)
seeds = st.integers(0, 10_000)


def face(size=136, offset=0.0):
    """A face-like picture: an opaque disc on nothing, with a bright spot at each landmark."""
    y, x = np.mgrid[:size, :size]
    points = POINTS + np.float32(offset)
    rgba = np.zeros((size, size, 4), np.uint8)
    rgba[np.hypot(x - points[2, 0], y - points[2, 1]) < 50] = (90, 60, 50, 255)
    for px, py in points:
        rgba[np.hypot(x - px, y - py) < 2.5] = (250, 250, 250, 255)
    box = np.array([18, 34, 118, 134], np.float32) + np.float32(offset)
    return FacePicture(
        rgba=rgba, intensities=np.zeros(len(SYNTH_AUS), np.float32), landmarks=points, box=box, skin_rgb=SKIN
    )


def slow_grade(grade, image):
    """The grade of one picture, step by step as a camera would do it; without the vignette."""
    unit = (np.clip(image.astype(np.float64), 0, 255) / 255) ** grade.gamma * grade.gain
    h, w = unit.shape[:2]
    mean = unit[h // 4 : h - h // 4, w // 4 : w - w // 4].mean()
    unit = (unit - mean) * grade.contrast + (mean if grade.pivot is None else grade.pivot)
    grey = (unit @ GREY.astype(np.float64))[..., None]
    return 255 * (grey + (unit - grey) * grade.saturation)


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_each_kind_of_background_fits_any_frame_and_varies(kind):
    painter = KINDS[kind][1]
    for width, height in ((136, 136), (320, 180), (90, 160)):
        pictures = [painter(np.random.default_rng([kind, seed]), width, height) for seed in range(8)]
        assert all(p.shape == (height, width, 3) and p.dtype == np.float32 for p in pictures)
        assert all(np.isfinite(p).all() for p in pictures)
        assert len({p.tobytes() for p in pictures}) == 8


def test_kinds_of_background_have_shares_of_one():
    assert sum(share for share, _ in KINDS) == pytest.approx(1)


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_background_depends_only_on_its_seed(seed):
    picture = draw_background(np.random.default_rng(seed), 136, 100)
    assert picture.shape == (100, 136, 3)
    assert picture.min() >= 0
    assert picture.max() <= 255
    np.testing.assert_array_equal(picture, draw_background(np.random.default_rng(seed), 136, 100))


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_an_occluder_leaves_eyes_or_mouth_to_be_seen(seed):
    place = FacePlace(136, POINTS)
    occluder = draw_occluder(np.random.default_rng(seed), place, SKIN)
    hidden = occluder.hides(place.upper()), occluder.hides(place.lower())
    assert min(hidden) < 0.4
    assert occluder.mask.min() >= 0
    assert occluder.mask.max() <= 1
    bright = np.full((136, 136, 3), 255, np.float32)
    untouched = occluder.mask == 0
    np.testing.assert_array_equal(occluder.over(bright)[untouched], bright[untouched])


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_a_cover_hides_eyes_and_mouth(seed):
    place = FacePlace(136, POINTS)
    cover = draw_cover(np.random.default_rng(seed), place, SKIN)
    assert min(cover.hides(place.upper()), cover.hides(place.lower())) >= MOSTLY_HIDDEN
    drawn = compose(np.random.default_rng(seed), face(), FULL, covered=True)
    assert min(drawn.hidden_upper, drawn.hidden_lower) >= MOSTLY_HIDDEN


def test_no_fault_changes_nothing_but_rounds_and_clips():
    image = np.array([[[-5, 0.4, 0.6], [254.4, 255, 300]]], np.float32)
    pixels = CameraFaults().apply(np.random.default_rng(0), image)
    np.testing.assert_array_equal(pixels, [[[0, 0, 1], [254, 255, 255]]])


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds,
    gamma=st.floats(0.6, 1.6),
    contrast=st.floats(0.5, 1.6),
    pivot=st.one_of(st.none(), st.floats(0.2, 0.7)),
    saturation=st.floats(0, 1.4),
)
def test_a_grade_equals_its_steps(seed, gamma, contrast, pivot, saturation):
    rng = np.random.default_rng(seed)
    image = rng.uniform(-20, 280, (21, 34, 3)).astype(np.float32)
    grade = Grade(
        gamma=gamma,
        gain=rng.uniform(0.8, 1.2, 3).astype(np.float32),
        contrast=contrast,
        pivot=pivot,
        saturation=saturation,
        vignette=0.0,
    )
    np.testing.assert_allclose(grade.apply(image), slow_grade(grade, image), atol=0.05)


def test_a_vignette_darkens_corners_alone():
    grade = Grade(
        gamma=1.0, gain=np.ones(3, np.float32), contrast=1.0, pivot=None, saturation=1.0, vignette=0.4
    )
    out = grade.apply(np.full((101, 101, 3), 200, np.float32))
    assert out[50, 50, 0] == pytest.approx(200, abs=0.1)
    assert out[0, 0, 0] == pytest.approx(120, abs=0.1)


def test_faults_spare_half_and_respect_switches():
    rng = np.random.default_rng(1)
    drawn = [draw_faults(rng, FULL) for _ in range(600)]
    marred = [
        f.noise > 0
        or f.jpeg is not None
        or f.defocus_px > 0
        or f.sharpening > 0
        or f.resolution < 1
        or f.motion_px is not None
        for f in drawn
    ]
    assert 0.38 < np.mean(marred) < 0.52  # and of the rest a few were lucky
    clean = [draw_faults(rng, CLEAN) for _ in range(200)]
    assert all(f.grade is None and f.defocus_px == 0 and f.resolution == 1 for f in clean)
    assert all(f.motion_px is None and f.sharpening == 0 and f.noise <= 3 for f in clean)
    off = Camera(blur=False, sensor=False, colour=False)
    image = np.random.default_rng(2).uniform(0, 255, (30, 30, 3)).astype(np.float32)
    for _ in range(20):
        np.testing.assert_array_equal(
            draw_faults(rng, off).apply(rng, image), CameraFaults().apply(rng, image)
        )


@settings(max_examples=40, deadline=None)
@example(6769)  # a motion blur along a slanted, short way
@given(seed=seeds)
def test_every_fault_keeps_the_picture_in_place(seed):
    """What faults do must not shift a face against its landmarks."""
    rng = np.random.default_rng(seed)
    image = np.zeros((136, 136, 3), np.float32)
    y, x = np.mgrid[:136, :136]
    image[np.hypot(x - 71, y - 58) < 12] = 200
    pixels = draw_faults(rng, Camera(spared=0, colour=False, noise_max=2)).apply(rng, image)
    bright = pixels.mean(2) > 100
    assert abs(x[bright].mean() - 71) < 0.7
    assert abs(y[bright].mean() - 58) < 0.7


@settings(max_examples=60, deadline=None)
@given(scale=st.floats(0.5, 2), turn=st.floats(-3, 3), dx=st.floats(-15, 15), dy=st.floats(-15, 15))
def test_landmarks_move_with_the_pixels(scale, turn, dx, dy):
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[c, -s], [s, c]])
    middle = np.full(2, 68.0)
    matrix = np.concatenate([linear, (middle + np.array([dx, dy]) - linear @ middle)[:, None]], axis=1)
    out = warp_face(face(), matrix, 136)
    y, x = np.mgrid[:136, :136]
    light = (out.rgba[..., 1].astype(float) - 60).clip(0) * (out.rgba[..., 3] > 128)
    for px, py in out.landmarks:
        near = np.hypot(x - px, y - py) < 5 * scale
        if min(px, py) > 8 * scale and max(px, py) < 135 - 8 * scale:
            weight = light * near
            assert abs((weight * x).sum() / weight.sum() - px) < 0.35
            assert abs((weight * y).sum() / weight.sum() - py) < 0.35


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_a_misplaced_face_is_grossly_off(seed):
    out = misplaced(np.random.default_rng(seed), face(236, 50.0), 136)
    shift = np.linalg.norm(out.landmarks[2] - POINTS[2])
    eyes = out.landmarks[1] - out.landmarks[0]
    scale = np.linalg.norm(eyes) / 36
    turn = abs(np.arctan2(eyes[1], eyes[0]))
    assert shift > 18 or scale < 0.6 or scale > 1.7 or turn > 0.7


def test_paste_equals_warping_and_compositing():
    drawn = face()
    matrix = np.array([[0.6, -0.2, 40.3], [0.2, 0.6, 10.7]])
    behind = np.random.default_rng(0).uniform(0, 255, (120, 200, 3)).astype(np.float32)
    pasted = behind.copy()
    paste(pasted, drawn.rgba, matrix)
    square = np.zeros((200, 200, 3), np.float32)
    square[:120] = behind
    expected = over(warp_face(drawn, matrix, 200).rgba, square)[:120]
    np.testing.assert_allclose(pasted, expected, atol=0.01)
    outside = behind.copy()
    paste(outside, drawn.rgba, np.array([[1.0, 0, 500], [0, 1.0, 0]]))
    np.testing.assert_array_equal(outside, behind)


def test_transparent_pixels_add_no_colour():
    rgba = np.zeros((60, 60, 4), np.uint8)
    rgba[20:40, 20:40] = (200, 200, 200, 255)
    grey = np.full((60, 60, 3), 200, np.float32)
    paste(grey, rgba, np.array([[0.7, 0.4, 5.5], [-0.4, 0.7, 20.2]]))
    np.testing.assert_allclose(grey, 200, atol=1.5)


def test_composition_depends_only_on_its_seed():
    plain = Camera(background=False, shadow=False, occluder=False, blur=False, sensor=False, colour=False)
    first = compose(np.random.default_rng(3), face(), plain).pixels
    np.testing.assert_array_equal(first[84, 68], [250, 250, 250])
    np.testing.assert_array_equal(first[2, 2], [110, 110, 110])
    again = [compose(np.random.default_rng(4), face(), FULL).pixels for _ in range(2)]
    np.testing.assert_array_equal(*again)
    empty = compose_empty(np.random.default_rng(3), 136, plain, SKIN).pixels
    assert (empty == 110).all()
