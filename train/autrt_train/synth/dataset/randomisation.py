"""What of a rendered face is random."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Randomisation:
    """Groups of randomisation, each of which can be switched off, and how far heads turn."""

    identity: bool = True
    """The shape of the head."""
    skin: bool = True
    """Skin, brows, lips, lashes, beard, hair and eye colours."""
    wrinkles: bool = True
    """Wrinkles that expressions make."""
    light: bool = True
    """One to three coloured lights, highlights and occlusion instead of one fixed light."""
    pose: bool = True
    """The head's rotation and the lens distance."""
    extras: bool = True
    """Glasses, and hair around and in front of the face."""
    distract: bool = True
    """Shapes that no label names: blinks, gaze, pursed or rounded lips, a shifted jaw, puffed cheeks."""
    correlated: float = 0.5
    """Share of expressions from combinations that people really make; the rest draws each AU by itself."""
    pose_deg: tuple[float, float, float] = (43.0, 26.0, 20.0)
    """Largest yaw, pitch and roll either way."""
