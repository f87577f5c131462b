"""Settings of a rendered data set."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from autrt_train.synth.camera.camera import CLEAN, FULL, Camera
from autrt_train.synth.dataset.randomisation import Randomisation
from autrt_train.types import DataError

Preset = Literal["full", "clean"]

CROP_MARGIN_PX: Final = 12
"""Margin of the pictures around the 112 px crop: room for alignment jitter."""
COMPOSITIONS: Final = 2
"""Pictures made of each rendered face, because composing costs a fraction of rendering."""


@dataclass(frozen=True, slots=True)
class AbsentShares:
    """Shares of the pictures that show no well-placed face."""

    misplaced: float = 0.04
    """Grossly misplaced crops."""
    empty: float = 0.03
    """Backgrounds without a face."""
    covered: float = 0.03
    """Faces that are almost completely hidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthSettings:
    """One rendered data set; together with the rig's bytes it decides every pixel."""

    seed: int = 0
    people: int = 1000
    """0 to make only videos."""
    per_person: int = 5
    """Faces rendered of each person; each becomes `COMPOSITIONS` pictures."""
    preset: Preset = "full"
    """`full` randomises everything; `clean`, for a hold-out set: heads within ±20°, no occluders, mild noise."""
    validation: float = 0.1
    """Share of the people in the validation split."""
    videos: int = 0
    video_s: float = 10.0
    rate: float = 25.0
    """Frames a second of the videos."""
    shot_s: tuple[float, float] = (2.0, 6.0)
    """Shortest and longest time between two cuts of a video."""
    width_px: int = 640
    height_px: int = 360
    absent: AbsentShares | None = None
    """None: the preset's shares; `clean` has none."""

    def __post_init__(self) -> None:
        if self.people < (0 if self.videos else 1):
            raise DataError(
                f"people: expected at least 1 (0 where only videos are made), found {self.people}"
            )
        for name, low in (("seed", 0), ("per_person", 1), ("videos", 0)):
            if getattr(self, name) < low:
                raise DataError(f"{name}: expected at least {low}, found {getattr(self, name)}")
        if not 0 <= self.validation <= 1:
            raise DataError(f"validation: expected a share from 0 to 1, found {self.validation}")
        shares = (self.shares.misplaced, self.shares.empty, self.shares.covered)
        if not (min(shares) >= 0 and sum(shares) <= 1):
            raise DataError(f"absent: expected shares from 0 that sum to at most 1, found {shares}")
        if not (0 < self.video_s <= 3600 and 1 <= self.rate <= 120):
            raise DataError(
                f"videos: expected up to 3600 s at 1 to 120 frames/s, found {self.video_s:g} s at {self.rate:g}"
            )
        if not 0 < self.shot_s[0] <= self.shot_s[1]:
            raise DataError(f"shots: expected a shortest and a longest time above 0 s, found {self.shot_s}")
        if min(self.width_px, self.height_px) < 128 or self.width_px % 2 or self.height_px % 2:
            raise DataError(
                f"videos: expected an even size of at least 128×128, found {self.width_px}×{self.height_px}"
            )

    @property
    def randomisation(self) -> Randomisation:
        """Randomisation of faces."""
        return Randomisation() if self.preset == "full" else Randomisation(pose_deg=(20.0, 20.0, 20.0))

    @property
    def camera(self) -> Camera:
        """Randomisation around faces."""
        return FULL if self.preset == "full" else CLEAN

    @property
    def shares(self) -> AbsentShares:
        """Shares of pictures without a well-placed face."""
        if self.absent is not None:
            return self.absent
        return AbsentShares() if self.preset == "full" else AbsentShares(0.0, 0.0, 0.0)

    @property
    def validation_people(self) -> int:
        """Number of people for validation: at least one if the share is above 0 and there are two people."""
        count = round(self.people * self.validation)
        return 1 if count == 0 and self.validation > 0 and self.people > 1 else count

    def described(self) -> dict[str, Any]:
        """Return the settings as written to `synth.json`."""
        return {**asdict(self), "absent": asdict(self.shares), "compositions": COMPOSITIONS}
