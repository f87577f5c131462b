"""Randomisation of rendered faces."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Randomisation:
    """Groups of randomisation, each of which can be switched off, and the range of head poses."""

    identity: bool = True
    """Shape of the head."""
    skin: bool = True
    """Skin, brows, lips, lashes, beard, hair and eye colours."""
    wrinkles: bool = True
    """Wrinkles that expressions make."""
    light: bool = True
    """One to three coloured lights, highlights and occlusion instead of one fixed light."""
    pose: bool = True
    """Rotation of the head and distance of the lens."""
    extras: bool = True
    """Glasses, and hair around and in front of the face."""
    distract: bool = True
    """Shapes without a label: blinks, gaze, pursed or rounded lips, a shifted jaw, puffed cheeks."""
    correlated: float = 0.5
    """Share of expressions drawn from combinations that people make; in the rest each AU is drawn by itself."""
    pose_deg: tuple[float, float, float] = (43.0, 26.0, 20.0)
    """Largest yaw, pitch and roll in either direction."""
