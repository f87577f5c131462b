"""Random clips: container × codec × pixel format × rate × times × rotation × sound, by a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import av
from av.codec import codecs_available

from tests.support.media import Clip

_X264: Final = ("libx264", ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le"))
_MPEG4: Final = ("mpeg4", ("yuv420p",))
_MPEG2: Final = ("mpeg2video", ("yuv420p", "yuv422p"))
_X265: Final = ("libx265", ("yuv420p", "yuv420p10le"))
_VP9: Final = ("libvpx-vp9", ("yuv420p", "yuv444p"))
_VP8: Final = ("libvpx", ("yuv420p",))
_MJPEG: Final = ("mjpeg", ("yuvj420p", "yuvj422p"))
_FFV1: Final = ("ffv1", ("yuv420p", "yuv422p10le", "gray"))
_PRORES: Final = ("prores_ks", ("yuv422p10le",))

_CONTAINERS: Final[dict[str, tuple[tuple[str, tuple[str, ...]], ...]]] = {
    "mp4": (_X264, _X265, _MPEG4, _VP9),
    "mov": (_X264, _PRORES, _MJPEG),
    "mkv": (_X264, _X265, _VP8, _VP9, _FFV1, _MPEG4, _MJPEG),
    "webm": (_VP8, _VP9),
    "avi": (_MPEG4, _MJPEG, _FFV1),
    "ts": (_X264, _X265, _MPEG2),
    "mpg": (_MPEG2,),
    "flv": (_X264,),
    "nut": (_FFV1, _MPEG4),
}

_RATES: Final = (Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(50), Fraction(15))
_STATES_LENGTH: Final = ("mp4", "mov", "mkv", "webm", "avi", "flv")


@dataclass(frozen=True, kw_only=True)
class DrawnClip:
    """A clip that was written, and the choices that made it."""

    path: Path
    container: str
    codec: str
    pixel_format: str
    rate: Fraction
    times: str
    """even, uneven or gap."""
    rotation_deg: int
    audio: bool
    frames: int

    @property
    def states_length(self) -> bool:
        """Whether its container says how long it is, so that a missing end can be known."""
        return self.container in _STATES_LENGTH

    def facts(self) -> dict[str, Any]:
        """Return the choices as JSON."""
        return {
            "container": self.container,
            "codec": self.codec,
            "pixel_format": self.pixel_format,
            "rate": str(self.rate),
            "times": self.times,
            "rotation_deg": self.rotation_deg,
            "audio": self.audio,
            "frames": self.frames,
        }


def draw_clip(random_: random.Random, folder: Path, name: str) -> DrawnClip:
    """Draw and write a clip that this build of FFmpeg can write.

    Args:
        random_: decides everything.
        folder: to write to.
        name: of the file, without a suffix.
    """
    container = random_.choice(sorted(_CONTAINERS))
    usable = [codec for codec in _CONTAINERS[container] if codec[0] in codecs_available]
    codec, formats = random_.choice(usable)
    pixel_format = random_.choice(formats)
    rate = random_.choice([Fraction(25), Fraction(30)] if codec == "mpeg2video" else _RATES)
    stamped = container in ("mp4", "mov", "mkv", "webm", "nut") and codec not in ("mpeg4",)
    times = random_.choice(["even", "even", "uneven", "gap"]) if stamped else "even"
    rotation_deg = random_.choice([0, 0, 90, 180, 270]) if container in ("mp4", "mov") else 0
    audio = container in ("mp4", "mov", "mkv", "ts") and random_.random() < 0.3
    frames = random_.randint(8, 40)
    width, height = random_.choice([(96, 64), (64, 96), (160, 120), (98, 66)])
    clip = Clip(
        codec=codec,
        pixel_format=pixel_format,
        frames=frames,
        width=width,
        height=height,
        rate=rate,
        audio=audio,
        grain=random_.choice([0, 4, 12]),
        options=_options(codec, random_),
        time_base=Fraction(1, 1000) if times != "even" else None,
        stamps=None if times == "even" else _stamps(random_, frames, rate, times),
        rotation=(float(rotation_deg),) if rotation_deg else None,
    )
    path = clip.write(folder / f"{name}.{container}")
    return DrawnClip(
        path=path,
        container=container,
        codec=codec,
        pixel_format=pixel_format,
        rate=rate,
        times=times,
        rotation_deg=rotation_deg,
        audio=audio,
        frames=frames,
    )


def _options(codec: str, random_: random.Random) -> dict[str, str]:
    group = str(random_.choice([1, 5, 12, 250]))
    if codec == "libx265":
        return {"x265-params": f"log-level=none:keyint={group}:pools=1", "preset": "ultrafast"}
    if codec.startswith("libvpx"):
        return {"g": group, "deadline": "realtime", "cpu-used": "8"}
    return (
        {"g": group, "preset": "ultrafast"} if codec == "libx264" else {"g": group} if "mpeg" in codec else {}
    )


def _stamps(random_: random.Random, frames: int, rate: Fraction, times: str) -> list[int]:
    """Draw presentation times in ms."""
    step = round(1000 / rate)
    steps = [step if times == "gap" else random_.randint(step // 2, step * 2) for _ in range(frames - 1)]
    if times == "gap":
        steps[random_.randrange(frames - 1)] += random_.choice([500, 5000])
    return list(accumulate(steps, initial=0))


def stamps_of_packets(path: Path) -> list[float]:
    """Return the presentation times of a clip's packets by PyAV alone, in order, in seconds from the first."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        found = sorted(
            float(packet.pts * packet.time_base)
            for packet in container.demux(stream)
            if packet.pts is not None and packet.size
        )
    return [time_s - found[0] for time_s in found]
