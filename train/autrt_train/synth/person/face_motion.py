"""Motion of one person's face in a video: expressions that come and go, speech, blinks, and head movement."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from autrt.types import F32, F64
from autrt_train.synth.dataset.randomisation import Randomisation
from autrt_train.synth.person.expression import SYNTH_AUS, Expression, draw_expression, neutral_expression
from autrt_train.synth.rig.rig import Rig
from autrt_train.synth.rig.shapes import shape_weights
from autrt_train.types import MISSING

BLINK_S: Final = 0.24
SPEECH: Final = {
    "AU25": (0.2, 0.9),
    "AU26": (0.0, 0.7),
    "AU10": (0.0, 0.3),
    "AU20": (0.0, 0.25),
    "AU17": (0.0, 0.25),
}
"""Ranges of intensities that the mouth takes in speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One expression: onset, apex and offset, in seconds."""

    start_s: float
    onset_s: float
    apex_s: float
    offset_s: float
    expression: Expression

    @property
    def end_s(self) -> float:
        """End of the expression."""
        return self.start_s + self.onset_s + self.apex_s + self.offset_s

    def share(self, time_s: float) -> float:
        """Return the share of the expression at a time, 0…1, eased at both ends."""
        rising = (time_s - self.start_s) / self.onset_s
        falling = (self.end_s - time_s) / self.offset_s
        linear = float(np.clip(min(rising, falling), 0, 1))
        return linear * linear * (3 - 2 * linear)


@dataclass(frozen=True, slots=True, kw_only=True)
class Oscillation:
    """Slow movement around a resting value: a sum of sines, one row a coordinate."""

    rest: F64
    """(D,)."""
    amplitude: F64
    """(D, K)."""
    speed: F64
    """(D, K) radians a second."""
    phase: F64
    """(D, K) radians."""

    def at(self, time_s: float) -> F64:
        """Return the (D,) coordinates at a time."""
        return self.rest + (self.amplitude * np.sin(self.speed * time_s + self.phase)).sum(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceMotion:
    """Motion of a person's face through a video."""

    neutral: Expression
    episodes: tuple[Episode, ...]
    """Expressions in order, without overlap."""
    blinks_s: F64
    """(K,) start of each blink."""
    lids: tuple[int, int]
    """Rows of the shapes that close the eyes."""

    def at(self, time_s: float) -> Expression:
        """Return the expression at a time."""
        expression = self.neutral
        for episode in self.episodes:
            if episode.start_s <= time_s <= episode.end_s:
                expression = self.neutral.mixed(episode.expression, episode.share(time_s))
        return self._blinking(expression, time_s)

    def _blinking(self, expression: Expression, time_s: float) -> Expression:
        since = time_s - self.blinks_s
        running = since[(since >= 0) & (since < BLINK_S)]
        if not len(running):
            return expression
        weights = expression.weights.copy()
        closed = np.float32(np.sin(np.pi * running[0] / BLINK_S))
        weights[list(self.lids)] = np.maximum(weights[list(self.lids)], closed)
        return replace(expression, weights=weights)


def draw_face_motion(
    rng: np.random.Generator, rig: Rig, randomisation: Randomisation, duration_s: float
) -> FaceMotion:
    """Draw expressions with neutral stretches between, occasional speech, and a blink every few seconds."""
    episodes: list[Episode] = []
    time_s = rng.uniform(0, 1.5)
    while time_s < duration_s:
        added = (
            _speech(rng, rig, time_s) if rng.random() < 0.25 else [_episode(rng, rig, randomisation, time_s)]
        )
        episodes += added
        time_s = added[-1].end_s + (rng.uniform(0.3, 2.5) if rng.random() < 0.75 else 0.0)
    blinks = np.cumsum(rng.uniform(1.2, 6.0, 1 + int(duration_s)))
    lids = (rig.at["eyeBlink_L"], rig.at["eyeBlink_R"])
    return FaceMotion(neutral=neutral_expression(rig), episodes=tuple(episodes), blinks_s=blinks, lids=lids)


def draw_head(rng: np.random.Generator, randomisation: Randomisation) -> Oscillation:
    """Draw yaw, pitch and roll in degrees, at rest and in motion each within about half of the allowed range."""
    limits = np.array(randomisation.pose_deg) if randomisation.pose else np.zeros(3)
    return draw_oscillation(rng, rng.uniform(-0.35, 0.35, 3) * limits, limits * rng.uniform(0.03, 0.3))


def draw_oscillation(rng: np.random.Generator, rest: F64, reach: F64) -> Oscillation:
    """Draw a movement of about `reach` around `rest`, both (D,); periods of 1.5 to 20 s."""
    shape = (len(rest), 3)
    amplitude = rng.uniform(0, 1, shape) * (reach / 1.5)[:, None]
    speed = 2 * np.pi / np.exp(rng.uniform(np.log(1.5), np.log(20), shape))
    return Oscillation(
        rest=rest,
        amplitude=amplitude * np.minimum(1, 1.5 / speed),
        speed=speed,
        phase=rng.uniform(0, 2 * np.pi, shape),
    )


def _episode(rng: np.random.Generator, rig: Rig, randomisation: Randomisation, start_s: float) -> Episode:
    onset_s, apex_s, offset_s = rng.uniform(0.2, 0.8), rng.exponential(0.9) + 0.15, rng.uniform(0.3, 1.2)
    return Episode(
        start_s=start_s,
        onset_s=onset_s,
        apex_s=apex_s,
        offset_s=offset_s,
        expression=draw_expression(rng, rig, randomisation),
    )


def _speech(rng: np.random.Generator, rig: Rig, start_s: float) -> list[Episode]:
    """Draw syllables, 3 to 6 a second."""
    end_s = start_s + rng.uniform(0.8, 4.0)
    syllables: list[Episode] = []
    while start_s < end_s:
        half_s = rng.uniform(0.08, 0.16)
        syllables.append(
            Episode(
                start_s=start_s, onset_s=half_s, apex_s=0.0, offset_s=half_s, expression=_syllable(rng, rig)
            )
        )
        start_s = syllables[-1].end_s
    return syllables


def _syllable(rng: np.random.Generator, rig: Rig) -> Expression:
    low, high = np.array([SPEECH.get(name, (0.0, 0.0)) for name in SYNTH_AUS]).T
    intensities = rng.uniform(low, high).astype(np.float32)
    intensities[SYNTH_AUS.index("AU11")] = np.nan
    weights: F32 = shape_weights(rng, rig, intensities, distract=False)
    return Expression(weights, intensities, MISSING)
