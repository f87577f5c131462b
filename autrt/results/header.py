"""The header of a results file: everything known before its first row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, Final, Literal

from autrt.errors import ResultsError
from autrt.results.fingerprint import SourceFacts, run_digest
from autrt.types import TimesFrom, VideoInfo

UNSPECIFIED: Final = "unspecified"
"""Value of a colour that a video does not state; left out of the file."""

_NOT_STATED: Final = frozenset(
    {
        *((f"video_{name}", UNSPECIFIED) for name in ("transfer", "primaries", "matrix")),
        ("source_ctime_ns", None),
        ("video_stream_index", None),
        ("video_other_streams", ()),
    }
)
_LEFT_OUT_IF_EMPTY: Final = frozenset({"cpu_decoding_reason", "recomputed", "temporal_digest"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """Properties of the video stated by its container; meanings and units in `schema.ATTRIBUTES`."""

    width_px: int
    height_px: int
    rate_hz: float
    frame_count: int | None
    duration_s: float | None
    codec: str
    pixel_format: str
    pixel_aspect: float = 1.0
    rotation_deg: int = 0
    transfer: str = UNSPECIFIED
    primaries: str = UNSPECIFIED
    matrix: str = UNSPECIFIED
    start_s: float = 0.0
    stream_index: int | None = None
    other_streams: tuple[int, ...] = ()

    @staticmethod
    def of(info: VideoInfo) -> VideoFacts:
        """Return the properties that a decoder reports before its first frame."""
        return VideoFacts(
            width_px=info.width,
            height_px=info.height,
            rate_hz=float(info.rate),
            frame_count=info.frame_count,
            duration_s=info.duration_s,
            codec=info.codec,
            pixel_format=info.pixel_format,
            pixel_aspect=float(info.pixel_aspect),
            rotation_deg=info.rotation_deg,
            transfer=info.transfer,
            primaries=info.primaries,
            matrix=info.matrix,
            start_s=info.start_s,
            stream_index=info.stream_index if info.other_streams else None,
            other_streams=info.other_streams,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Header of a results file.

    Meanings and units are in `schema.ATTRIBUTES` under the fields' names; the fields of `source` and `video`
    have the prefixes `source_` and `video_` there. To add a field, add it here with a default and there as
    optional: the default is used for older files.
    """

    source: SourceFacts
    video: VideoFacts
    time_base: Fraction
    """Seconds per tick of `/frames/pts`; `time_base_num` and `time_base_den` in the file."""
    au_names: tuple[str, ...]
    thresholds: tuple[float, ...]
    smoothing_windows: tuple[int, ...]
    smoothing_domain: Literal["logit", "probability"]
    baseline: str
    model_name: str
    model_digest: str
    member_names: tuple[str, ...]
    network_digests: tuple[str, ...]
    settings: Mapping[str, Any]
    """JSON values: every setting that changes numbers, except model and source."""
    engine: str
    precision: str
    device: str
    detector_digest: str
    detect_every: int
    versions: Mapping[str, str]
    command: str
    started_utc: str
    times_from: TimesFrom = "stamps"
    cpu_decoding_reason: str = ""
    """Empty, and left out of the file, where a run decoded all of the video on the device it was to use."""
    au_grades: tuple[str, ...] = ()
    """One per AU, `ungraded` where the model states none; empty in files older than grades."""
    au_evidence: Mapping[str, str] = field(default_factory=dict[str, str])
    """AU → the evidence for its grade."""
    recomputed: Sequence[Mapping[str, str]] = ()
    """The runs whose decisions these replace, the oldest first; see `autrt recompute`."""
    temporal_digest: str = ""
    """Empty where windows smoothed; left out of the file then."""

    def __post_init__(self) -> None:
        n = len(self.au_names)
        if not len(self.thresholds) == len(self.smoothing_windows) == n:
            raise ValueError(
                f"Header: expected a threshold and a window for each of {n} AUs, "
                f"found {len(self.thresholds)} and {len(self.smoothing_windows)}"
            )
        if self.au_grades and len(self.au_grades) != n:
            raise ValueError(f"Header: expected a grade for each of {n} AUs, found {len(self.au_grades)}")
        if len(self.member_names) != len(self.network_digests):
            raise ValueError(f"Header: {len(self.member_names)} members, {len(self.network_digests)} digests")

    @property
    def run_digest(self) -> str:
        """SHA-256 (hex) over source, model and settings, which determine the numbers."""
        return run_digest(self.source.fingerprint, self.model_digest, self.settings)

    def attributes(self) -> dict[str, Any]:
        """Return the header as attributes by the names of `schema.ATTRIBUTES`."""
        flat: dict[str, Any] = {
            "run_digest": self.run_digest,
            "time_base_num": self.time_base.numerator,
            "time_base_den": self.time_base.denominator,
        }
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if isinstance(value, SourceFacts | VideoFacts):
                facts = {f"{name}_{f.name}": getattr(value, f.name) for f in fields(value)}
                flat |= {key: fact for key, fact in facts.items() if (key, fact) not in _NOT_STATED}
            elif name != "time_base" and (value or name not in _LEFT_OUT_IF_EMPTY):
                flat[name] = value
        return flat

    @staticmethod
    def from_attributes(attributes: Mapping[str, Any]) -> Header:
        """Return the header that has these attributes; the inverse of `attributes`.

        Raises:
            ResultsError: the attributes contradict each other.
        """
        try:
            nested = {
                "source": SourceFacts(**_fields_of(SourceFacts, attributes, "source_")),
                "video": VideoFacts(**_fields_of(VideoFacts, attributes, "video_")),
                "time_base": Fraction(attributes["time_base_num"], attributes["time_base_den"]),
            }
            return Header(**_fields_of(Header, {**attributes, **nested}))
        except (ValueError, ZeroDivisionError) as error:
            raise ResultsError(str(error)) from error


def _fields_of(kind: type[Any], attributes: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    return {f.name: attributes[prefix + f.name] for f in fields(kind) if prefix + f.name in attributes}
