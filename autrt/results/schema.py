"""Every table, column and attribute of a results file: name, type, unit and meaning.

A file holds four tables, each an HDF5 group of equally long columns. Letters in shapes: N frames, F faces,
T tracks, L losses (rows), A Action Units, M members of the ensemble, D features.

A column of `/faces` that a network computes is added by one line in `COLUMNS` that names the network's `output`:
spool, writer and tables take it from here.

New columns and attributes may be added within a version of the schema: readers pass over what they don't know, and
have a default for what an older file lacks (`optional`). Any other change makes a new version, beside which
`READABLE` keeps the old ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from autrt.types import TensorSpec

FAMILY: Final = "autrt-results/"

SCHEMA: Final = "autrt-results/2"

PLAIN_SCHEMA: Final = "autrt-results/1"
"""Schema whose attributes are all plain ones, and whose columns are all chunked."""

READABLE: Final = (PLAIN_SCHEMA, SCHEMA)

HEADER: Final = "header"
"""Name of the attribute of the file that holds as JSON all facts but those in `PLAIN`."""

PLAIN: Final = frozenset(
    {"schema", "complete", "au_names", "au_grades", "thresholds", "source_path", "attributes_sha256"}
)
"""Facts about the file that are attributes of their own, for other tools. With `header` these are eight: with more,
HDF5 stores attributes in a way that takes more space and time."""

OF_THE_FILE: Final = frozenset({"schema", "complete", "attributes_sha256"})
"""Facts that say how to read the rest, and whether to."""

SUFFIX: Final = ".h5"

CHUNK_ROWS: Final = {"frames": 4096, "faces": 4096, "tracks": 256, "lost": 256}
"""Rows per HDF5 chunk by table: about 200 kB for 12 AUs, small enough to read a scene without the whole video."""

COMPACT_BYTES: Final = 8192
"""Size up to which columns are stored uncompressed within their own header, where HDF5 checks them too: an index of
chunks alone takes 2 to 3 kB."""

CACHE_BYTES: Final = 1 << 18
"""HDF5's chunk cache per dataset: about a chunk. Its default of 8 MiB fills only after half an hour of video."""

Kind = Literal[
    "text", "texts", "path", "bool", "int", "maybe_int", "float", "maybe_float", "ints", "floats", "json"
]


@dataclass(frozen=True, slots=True)
class Column:
    """One dataset."""

    table: str
    name: str
    dtype: str
    """A numpy dtype's name, or `text`: UTF-8 of fixed length, padded with zero bytes."""
    unit: str
    description: str
    tail: tuple[int | Literal["A", "M", "D"], ...] = ()
    """Shape of one row."""
    optional: bool = False
    field: str = ""
    """Field of `Faces` that the column holds, if it holds one."""
    output: str = ""
    """Output of the networks that the column holds, if it holds one."""

    @property
    def path(self) -> str:
        """Path in the file."""
        return f"{self.table}/{self.name}"

    @property
    def extra(self) -> bool:
        """True for a further output of the networks, which only the files of some models have."""
        return self.output not in ("", "logits")

    @property
    def tensor(self) -> TensorSpec:
        """Specification of the output that a column without AUs or members holds, for one face."""
        return TensorSpec(self.output, self.shape(0, 0), self.dtype)

    def shape(self, n_aus: int, n_members: int, n_features: int = 0) -> tuple[int, ...]:
        """Return the shape of one row."""
        sizes = {"A": n_aus, "M": n_members, "D": n_features}
        return tuple(n if isinstance(n, int) else sizes[n] for n in self.tail)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One fact about the file, or about a column: a key of the JSON in the attribute `header`, or an attribute."""

    name: str
    kind: Kind
    description: str
    on: str = "/"
    """Path of the column that the fact is about; `/` for the file."""
    optional: bool = False
    """Whether older files may lack the fact."""

    @property
    def plain(self) -> bool:
        """True for an HDF5 attribute of its own; one of a column stands in the JSON too."""
        return self.on != "/" or self.name in PLAIN


COLUMNS: Final[tuple[Column, ...]] = (
    Column("frames", "index", "int64", "frames", "0…N−1; for an image folder file number − 1"),
    Column("frames", "pts", "int64", "ticks", "presentation time"),
    Column("frames", "time_s", "float64", "s", "presentation time from the video's start; increases"),
    Column("frames", "n_faces", "int32", "faces", "faces found in the frame"),
    Column("frames", "damaged", "bool", "mark", "the picture may be wrong: its data, or those of a picture that it "
           "is predicted from, are damaged; only where some are", optional=True),
    Column("frames", "picture", "text", "name", "file of the picture, escaped as source_path; only for a folder of "
           "stills, as its size", optional=True),
    Column("frames", "width", "int32", "px", "of the upright picture", optional=True),
    Column("frames", "height", "int32", "px", "of the upright picture", optional=True),
    Column("faces", "frame", "int64", "row of /frames", "the frame; rows are ordered by it",
           field="row"),
    Column("faces", "track", "int32", "track id", "face through one shot; second key of the order",
           field="track"),
    Column("faces", "box", "float32", "px", "x0, y0, x1, y1 in the upright frame; the top left pixel's centre is "
           "(0, 0)", (4,), field="boxes"),
    Column("faces", "landmarks", "float32", "px", "x, y of eyes, nose tip, mouth corners; left first as seen in "
           "the picture, of an upside-down face once turned upright", (5, 2),
           field="landmarks"),
    Column("faces", "score", "float32", "1", "of the face detection, 0 to 1", field="score"),
    Column("faces", "source", "uint8", "code", "0 detected, 1 interpolated, 2 refined",
           field="source"),
    Column("faces", "logit", "float32", "logit", "the ensemble's raw logit", ("A",)),
    Column("faces", "probability", "float32", "1", "sigmoid of logit", ("A",)),
    Column("faces", "smoothed", "float32", "1", "probability after smoothing (and the baseline)", ("A",)),
    Column("faces", "active", "bool", "decision", "smoothed >= threshold", ("A",)),
    Column("faces", "member_logit", "float32", "logit", "raw logits of the ensemble's members; NaN where a member "
           "was not run", ("M", "A"), optional=True, output="logits"),
    Column("faces", "features", "float16", "1", "features of the face from the first of the networks that were run "
           "and have any; only with --features", ("D",), optional=True, output="features"),
    Column("faces", "quality", "float16", "1", "how far the numbers can be trusted, 0 to 1", optional=True,
           output="quality"),
    Column("faces", "sharpness", "float16", "1", "1/4 blurred, 1/2 sharp, 1 noise", optional=True,
           output="sharpness"),
    Column("tracks", "id", "int32", "track id", "from 0 by first appearance"),
    Column("tracks", "first_frame", "int64", "row of /frames", "first frame"),
    Column("tracks", "last_frame", "int64", "row of /frames", "last frame"),
    Column("tracks", "n_faces", "int64", "faces", "rows of /faces"),
    Column("tracks", "person", "int32", "person", "tracks of one number show one person; from 0 by first "
           "appearance, −1 where unsure; only where there are several tracks", optional=True),
    Column("tracks", "baseline", "float32", "logit", "the person's neutral face; NaN where the track was too "
           "short for one", ("A",), optional=True),
    Column("lost", "time_s", "float64", "s", "where something was not decoded"),
    Column("lost", "packets", "int64", "packets", "packets lost there"),
    Column("lost", "reason", "text", "text", "what the decoder said"),
)  # fmt: skip

ATTRIBUTES: Final[tuple[Attribute, ...]] = (
    Attribute("schema", "text", "name and version of this layout"),
    Attribute("complete", "bool", "True in every file that was finished"),
    Attribute("au_names", "texts", "Action Units, in the order of the columns' last axis"),
    Attribute("thresholds", "floats", "smoothed probability from which an Action Unit counts as active"),
    Attribute("smoothing_windows", "ints", "window per Action Unit, in frames at 30 frames/s; 1 is none"),
    Attribute("smoothing_domain", "text", "what was averaged: logit or probability"),
    Attribute("baseline", "text", "none, or pN: the percentile taken for a person's neutral face"),
    Attribute("au_grades", "texts", "how far each Action Unit can be trusted: validated, weak, experimental or "
              "ungraded; see docs/models.md", optional=True),
    Attribute("au_evidence", "json", "Action Unit -> what its grade rests on", optional=True),
    Attribute("source_path", "path", "the video relative to its input folder; see 'Names' in docs/results.md"),
    Attribute("source_kind", "text", "video, images (a folder of numbered pictures), still, "
              "stills (a folder of pictures that have nothing to do with each other) or live (a camera)"),
    Attribute("source_size_bytes", "int", "size of the file, or of all pictures"),
    Attribute("source_mtime_ns", "int", "last change of the file, or of a folder and its pictures, ns since 1970 "
              "(UTC); any integer"),
    Attribute("source_ctime_ns", "maybe_int", "last change of its bytes, name or permissions", optional=True),
    Attribute("source_fingerprint", "text", "SHA-256 over size, first and last MiB (pictures: names and sizes)"),
    Attribute("source_sha256", "text", "SHA-256 of all bytes (pictures: of names and SHA-256); empty in older "
              "files, and where the source could not be read in full"),
    Attribute("video_width_px", "int", "width of the upright frame"),
    Attribute("video_height_px", "int", "height of the upright frame"),
    Attribute("video_rate_hz", "float", "average frames a second as the container states; as the first time stamps "
              "show where it states none, or another rate than they do"),
    Attribute("video_variable_rate", "bool", "True where over 1 % of the frame intervals are off the median"),
    Attribute("video_frame_count", "maybe_int", "frames as the container states; null (schema 1: −1) if not"),
    Attribute("video_duration_s", "maybe_float", "duration as the container states; null (schema 1: NaN) if not"),
    Attribute("video_codec", "text", "codec of the video stream"),
    Attribute("video_pixel_format", "text", "pixel format of the stream"),
    Attribute("video_pixel_aspect", "float", "width over height of a pixel of the upright frame"),
    Attribute("video_rotation_deg", "int", "clockwise rotation that made the frames upright"),
    Attribute("video_transfer", "text", "transfer characteristics of the stream, by FFmpeg's names; smpte2084 (PQ) "
              "and arib-std-b67 (HLG) were brought to standard range", optional=True),
    Attribute("video_primaries", "text", "colour primaries of the stream, by FFmpeg's names", optional=True),
    Attribute("video_matrix", "text", "matrix coefficients of the stream, by FFmpeg's names", optional=True),
    Attribute("video_start_s", "float", "start of the stream in the container's time; subtracted from time_s"),
    Attribute("video_stream_index", "maybe_int",
              "index of the decoded stream in its container; null: the only video stream", optional=True),
    Attribute("video_other_streams", "ints", "indices of the container's further video streams", optional=True),
    Attribute("times_from", "text", "what time_s follows: stamps (the video's own); rate (index / video_rate_hz: a "
              "video without usable stamps, a folder of pictures); assumed rate (the video states none either)",
              optional=True),
    Attribute("model_name", "text", "name of the model or ensemble"),
    Attribute("model_digest", "text", "SHA-256 over its networks, thresholds and windows"),
    Attribute("temporal_digest", "text", "SHA-256 of the temporal network that gave smoothed; absent: windows did",
              optional=True),
    Attribute("member_names", "texts", "members of the ensemble, in the order of member_logit's second axis"),
    Attribute("network_digests", "texts", "SHA-256 over weights, graph and input of each member"),
    Attribute("run_digest", "text", "SHA-256 over source_fingerprint, model_digest and settings"),
    Attribute("settings", "json", "every setting of the run that changes numbers"),
    Attribute("engine", "text", "what ran the networks"),
    Attribute("precision", "text", "arithmetic of the networks: f32, bf16, fp16 or int8"),
    Attribute("device", "text", "cpu or cuda:N"),
    Attribute("cpu_decoding_reason", "text", "why a run on a GPU decoded the video, or its rest, on the CPU; only "
              "where it did", optional=True),
    Attribute("detector_digest", "text", "names the face detector's network and thresholds"),
    Attribute("detect_every", "int", "frames from one face detection to the next within a shot, at video_rate_hz; "
              "settings say whether they are chosen by number or by time"),
    Attribute("versions", "json", "versions of the software"),
    Attribute("command", "path", "the command line; escaped as source_path"),
    Attribute("started_utc", "text", "when work on the video began (ISO 8601)"),
    Attribute("finished_utc", "text", "when the file was finished (ISO 8601)"),
    Attribute("recomputed", "json", "for each time that decisions were made anew from the logits, the run before "
              "it: run_digest, model_name, model_digest, finished_utc, and the command that replaced it",
              optional=True),
    Attribute("attributes_sha256", "text", "SHA-256 over all other attributes of the file, for autrt verify"),
    Attribute("time_base_num", "int", "seconds per tick, numerator", on="frames/pts"),
    Attribute("time_base_den", "int", "seconds per tick, denominator", on="frames/pts"),
    Attribute("repaired", "int", "presentation times that were missing or out of order and had to be set",
              on="frames/time_s"),
)  # fmt: skip

TABLES: Final = tuple(CHUNK_ROWS)

FEATURES: Final = next(c for c in COLUMNS if c.name == "features")
"""Column of the features, whose width D depends on the network."""

QUALITY: Final = tuple(c for c in COLUMNS if c.name in ("quality", "sharpness"))
"""Columns of the faces' quality, which are computed for every model; see `face.quality`."""

EVERY_MODEL: Final = frozenset(c.name for c in COLUMNS if c.table == "faces" and not c.extra)
"""Names of the columns of `/faces` that do not depend on the outputs of the model."""

OF_STILLS: Final = tuple(c for c in COLUMNS if c.path in ("frames/picture", "frames/width", "frames/height"))
"""Columns of `/frames` of a folder of stills."""

OF_FRAMES: Final = {c.name: c for c in COLUMNS if c.table == "frames" and c.optional}
"""Columns of `/frames` that not every file has, by name."""

OF_TRACKS: Final = {c.name: c for c in COLUMNS if c.path == "tracks/person"}
"""Columns of `/tracks` that a table can hold for each face, by name."""

FACE_FIELDS: Final = tuple(c for c in COLUMNS if c.field)
"""Columns that hold a field of `Faces`."""


def columns_of(
    table: str,
    *,
    keep_members: bool,
    baseline: bool,
    damaged: bool = False,
    stills: bool = False,
    person: bool = False,
    outputs: Sequence[Column] = (),
) -> tuple[Column, ...]:
    """Return the columns that a table of a new file has.

    Args:
        table: its name.
        keep_members: whether the members' logits are kept.
        baseline: whether a baseline is subtracted.
        damaged: whether some frames are damaged.
        stills: whether the frames are the stills of a folder.
        person: whether the tracks' people are told apart.
        outputs: columns of `/faces` for further outputs of the networks; see `outputs.output_columns`.
    """
    kept = {
        "frames/damaged": damaged,
        **{column.path: stills for column in OF_STILLS},
        "faces/member_logit": keep_members,
        "tracks/person": person,
        "tracks/baseline": baseline,
    }
    own = [c for c in COLUMNS if c.table == table and (not c.optional or kept.get(c.path, False))]
    return (*own, *(c for c in outputs if c.table == table))
