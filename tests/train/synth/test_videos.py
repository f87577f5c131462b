"""Rendered videos: what people do in them, where they are, and the truth beside the frames."""

from __future__ import annotations

import itertools
from dataclasses import replace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt_train.synth.camera.camera import CameraFaults
from autrt_train.synth.dataset.draw_job import open_rig
from autrt_train.synth.dataset.settings import SynthSettings
from autrt_train.synth.dataset.video import record_video
from autrt_train.synth.person.expression import (
    SYNTH_AUS,
    Expression,
    hard_labels,
    neutral_expression,
    soft_targets,
)
from autrt_train.synth.person.face_motion import Episode, FaceMotion, Oscillation, draw_face_motion, draw_head
from autrt_train.synth.person.hair import Hair
from autrt_train.synth.scene.face import FaceRenderer, Randomisation, draw_person
from autrt_train.synth.scene.shot import Actor, Shot, draw_frame, draw_shot
from autrt_train.types import DataError

RIG = open_rig("stand-in")
RENDERER = FaceRenderer(RIG)
SETTINGS = SynthSettings(people=3, videos=2, video_s=3.0, rate=8, width_px=320, height_px=180, seed=2)
STILL = Oscillation(
    rest=np.zeros(3), amplitude=np.zeros((3, 1)), speed=np.zeros((3, 1)), phase=np.zeros((3, 1))
)
STILL_CENTRE = Oscillation(
    rest=np.array([160.0, 80.0]), amplitude=np.zeros((2, 1)), speed=np.zeros((2, 1)), phase=np.zeros((2, 1))
)
seeds = st.integers(0, 5000)


def actor(number=0, motion=None):
    rng = np.random.default_rng(number)
    motion = motion or draw_face_motion(rng, RIG, Randomisation(), 5.0)
    return Actor(number, draw_person(rng, RIG, Randomisation(extras=False)), motion)


def doing(**weights):
    """One expression held for ten seconds, from second 1 on."""
    neutral = neutral_expression(RIG)
    values = np.zeros_like(neutral.weights)
    for name, value in weights.items():
        values[RIG.at[name]] = value
    episode = Episode(
        start_s=1.0, onset_s=0.5, apex_s=8.0, offset_s=0.5, expression=replace(neutral, weights=values)
    )
    return FaceMotion(
        neutral=neutral,
        episodes=(episode,),
        blinks_s=np.array([99.0]),
        lids=(RIG.at["eyeBlink_L"], RIG.at["eyeBlink_R"]),
    )


def without_hair(placement):
    return replace(placement, conditions=replace(placement.conditions, hair=Hair()))


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_expressions_come_and_go_without_a_jump(seed):
    motion = draw_face_motion(np.random.default_rng(seed), RIG, Randomisation(), 6.0)
    episodes = motion.episodes
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in itertools.pairwise(episodes))
    assert episodes[-1].end_s + 2.5 >= 6
    times = np.arange(0, 6, 0.01)
    seen = np.array([motion.at(t).intensities for t in times])
    drawn = SYNTH_AUS.index("AU11") != np.arange(len(SYNTH_AUS))
    assert np.isfinite(seen[:, drawn]).all()
    assert seen[:, drawn].min() >= 0
    # The steepest onset, 0.08 s of an eased ramp, rises by 1.5 · 0.01 / 0.08 in 0.01 s.
    assert np.abs(np.diff(seen[:, drawn], axis=0)).max() < 0.2
    assert (seen[:, drawn].max(1) < 1e-6).any()


def test_an_episode_rises_holds_and_falls():
    episode = Episode(start_s=1.0, onset_s=0.4, apex_s=2.0, offset_s=0.6, expression=neutral_expression(RIG))
    assert episode.end_s == pytest.approx(4.0)
    shares = [episode.share(t) for t in (0.9, 1.0, 1.2, 1.4, 3.4, 3.7, 4.0, 5.0)]
    np.testing.assert_allclose(shares, [0, 0, 0.5, 1, 1, 0.5, 0, 0], atol=1e-9)


def test_eyes_close_in_a_blink_and_open_again():
    motion = replace(doing(), blinks_s=np.array([2.0]))
    lids = [motion.at(t).weights[RIG.at["eyeBlink_L"]] for t in (1.99, 2.12, 2.25)]
    np.testing.assert_allclose(lids, [0, 1, 0], atol=0.02)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_heads_turn_within_their_limits_and_never_jerk(seed):
    randomisation = Randomisation(pose_deg=(20.0, 15.0, 10.0))
    head = draw_head(np.random.default_rng(seed), randomisation)
    angles = np.array([head.at(t) for t in np.arange(0, 20, 0.04)])
    assert (np.abs(angles) <= np.array(randomisation.pose_deg)).all()
    assert np.abs(np.diff(angles, axis=0)).max() < 3


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_faces_are_where_their_labels_say(seed):
    """What differs from the background at eye level is the head: it holds the landmarks, and the box holds them."""
    rng = np.random.default_rng(seed)
    shot = draw_shot(rng, replace(SETTINGS, preset="clean"), [actor(7)])
    (placement,) = shot.placements
    shot = Shot(np.full((180, 320, 3), (0, 255, 0), np.float32), (without_hair(placement),), CameraFaults())
    pixels, (seen,) = draw_frame(rng, RENDERER, shot, 1.3)
    head = np.abs(pixels.astype(int) - (0, 255, 0)).sum(2) > 60
    assert ((seen.landmarks > 0) & (seen.landmarks < (320, 180))).all()
    assert (seen.box[:2] < seen.landmarks.min(0)).all()
    assert (seen.box[2:] > seen.landmarks.max(0)).all()
    x, y = np.rint(seen.landmarks).astype(int).T
    assert head[y, x].all()
    across = np.flatnonzero(head[y[:2].min()])
    unit = placement.unit_px
    assert seen.box[0] - 0.5 * unit < across.min()
    assert across.max() < seen.box[2] + 0.5 * unit
    assert not head[: max(0, int(seen.box[1] - 2 * unit))].any()


def test_an_open_jaw_moves_the_mouth_and_not_the_eyes():
    """Alignment stretches every drawn face to the template; in a film the skull must stay where it is."""
    rng = np.random.default_rng(0)
    shot = draw_shot(rng, SETTINGS, [actor(1, doing(jawOpen=1.0, mouthSmile_L=1.0, mouthSmile_R=1.0))])
    shot = replace(
        shot, placements=tuple(replace(r, head=STILL, centre=STILL_CENTRE) for r in shot.placements)
    )
    (closed,) = draw_frame(rng, RENDERER, shot, 0.0)[1]
    (opened,) = draw_frame(rng, RENDERER, shot, 5.0)[1]
    moved = np.linalg.norm(opened.landmarks - closed.landmarks, axis=1) / shot.placements[0].unit_px
    assert moved[:3].max() < 0.01
    assert moved[3:].min() > 0.02


def test_a_tilted_head_is_tilted_in_the_frame():
    rng = np.random.default_rng(0)
    shot = draw_shot(rng, SETTINGS, [actor(1, doing())])
    tilted = replace(STILL, rest=np.array([0.0, 0.0, 15.0]))
    shot = replace(
        shot, placements=tuple(replace(r, head=tilted, centre=STILL_CENTRE) for r in shot.placements)
    )
    (seen,) = draw_frame(rng, RENDERER, shot, 0.0)[1]
    across = seen.landmarks[1] - seen.landmarks[0]
    assert np.degrees(np.arctan2(-across[1], across[0])) == pytest.approx(15, abs=2)
    assert np.linalg.norm(across) == pytest.approx(shot.placements[0].unit_px, rel=0.25)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("films") / "v0002.mp4"
    record_video(path, RENDERER, SETTINGS, 1)
    with np.load(path.with_suffix(".npz")) as truth:
        return path, dict(truth)


def test_video_frames_and_labels_have_one_length(film):
    path, truth = film
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        rate = container.streams.video[0].average_rate
    assert rate == 8
    assert (frames[0].width, frames[0].height) == (320, 180)
    np.testing.assert_allclose([f.time for f in frames], truth["time_s"], atol=1e-3)
    n, p = truth["person"].shape
    assert n == 24
    shapes = {"box": (n, p, 4), "landmarks": (n, p, 5, 2), "intensity": (n, p, 17), "label": (n, p, 17)}
    assert {k: truth[k].shape for k in shapes} == shapes
    assert list(truth["au_names"]) == list(SYNTH_AUS)


def test_absent_people_have_no_labels(film):
    _, truth = film
    absent = truth["person"] == -1
    numbers = set(truth["person"][~absent].tolist())
    assert numbers
    assert min(numbers) >= SETTINGS.people  # nobody of the stills
    assert np.isnan(truth["box"][absent]).all()
    assert (truth["label"][absent] == -1).all()
    assert np.isfinite(truth["landmarks"][~absent]).all()
    np.testing.assert_array_equal(truth["label"], hard_labels(truth["intensity"]))
    np.testing.assert_array_equal(truth["target"], soft_targets(truth["intensity"]))
    assert (~absent).any(1).all()  # every frame shows somebody
    shot = truth["shot"]
    assert shot[0] == 0
    assert set(np.diff(shot).tolist()) <= {0, 1}
    for number in range(int(shot[-1]) + 1):  # who is in a shot is in all of it
        assert len(np.unique(truth["person"][shot == number], axis=0)) == 1


def test_shots_last_as_long_as_asked(tmp_path):
    record_video(tmp_path / "cuts.mp4", RENDERER, replace(SETTINGS, shot_s=(0.5, 1.0)), 1)
    with np.load(tmp_path / "cuts.npz") as truth:
        frames = np.bincount(truth["shot"])
    assert len(frames) >= 3
    assert frames.max() <= 8
    assert frames[:-1].min() >= 4
    with pytest.raises(DataError, match="shots: expected a shortest and a longest time"):
        replace(SETTINGS, shot_s=(3.0, 1.0))


def test_video_is_the_same_for_the_same_seed(film, tmp_path):
    path, truth = film
    record_video(tmp_path / "again.mp4", RENDERER, SETTINGS, 1)
    assert (tmp_path / "again.mp4").read_bytes() == path.read_bytes()
    record_video(tmp_path / "other.mp4", RENDERER, SETTINGS, 0)
    with np.load(tmp_path / "other.npz") as other:
        assert not set(np.unique(other["person"])) & set(np.unique(truth["person"])) - {-1}


def test_an_expression_holds_its_intensities():
    expression = Expression(np.zeros(len(RIG.expression_names), np.float32), np.ones(17, np.float32), -1)
    half = neutral_expression(RIG).mixed(expression, 0.5)
    assert half.intensities[0] == pytest.approx(0.5)
