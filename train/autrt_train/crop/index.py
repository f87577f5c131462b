"""Settings, rows and manifest of a folder of crops."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, TextIO

from autrt.results.fingerprint import canonical_json
from autrt.results.names import file_name
from autrt.storage.atomic_file import replacing
from autrt.storage.escape import escape
from autrt.types import F32, Bool
from autrt.video.crop_geometry import CROP_JSON
from autrt_train.annotations.sets.manifest import LANDMARKS, NAME
from autrt_train.types import DataError

SCHEMA: Final = "autrt-crop/1"
ROWS: Final = "rows"
COLUMNS: Final = ("path", "video", "track", "frame", "time_s", "person", "score", *LANDMARKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CropSettings:
    """Settings of crops."""

    template: str = "arcface-112"
    margin_px: int = 12
    """Added to the crop on every side, as room for alignment jitter."""
    every: int = 1
    """Crop every N-th frame."""
    all_faces: bool = False
    """True: all tracks, each in a folder of its own; False: the main face of each frame."""
    jpeg_quality: int = 95

    def digest(self, run_digest: str, source_sha256: str, among: Bool | None = None) -> str:
        """Return the SHA-256 (hex) over all that determines a video's crops.

        Args:
            run_digest: of its results, which holds the source's fingerprint alone.
            source_sha256: over all bytes of the source; empty in results without one.
            among: as in `FacesToCrop.of`.
        """
        whole: dict[str, object] = {"settings": asdict(self), "results": run_digest}
        if source_sha256:
            whole["source"] = source_sha256
        if among is not None:
            whole["among"] = hashlib.sha256(among.tobytes()).hexdigest()
        return hashlib.sha256(canonical_json(whole).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class CropRow:
    """Row of the manifest for one crop."""

    path: str
    """Relative to the manifest."""
    video: str
    track: int
    frame: int
    """Number of the frame, from 1."""
    time_s: float
    score: float
    landmarks: F32
    """(5, 2) float32 crop pixels."""

    def values(self) -> list[str]:
        """Return the row's cells; the column `person` is empty."""
        points = [f"{value:.2f}" for value in self.landmarks.ravel().tolist()]
        values = [str(self.track), str(self.frame), f"{self.time_s:.6f}", "", f"{self.score:.4f}"]
        return [self.path, self.video, *values, *points]


def require_same_settings(out: Path, settings: CropSettings) -> None:
    """Check that `out` does not hold crops of other settings.

    Raises:
        DataError: it does, or is not a folder.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{escape(str(out))}: expected a folder, found a file")
    file, wanted = out / CROP_JSON, asdict(settings)
    if not file.exists():
        return
    try:
        found = json.loads(file.read_bytes())
        different = [name for name, value in wanted.items() if found.get(name) != value]
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{escape(str(file))}: expected the settings of crops: {error}") from error
    if different:
        name = different[0]
        raise DataError(
            f"{escape(str(out))} holds crops with {name} {found.get(name)!r}, not {wanted[name]!r}: choose another "
            "folder, or remove it"
        )


def write_settings(out: Path, settings: CropSettings) -> None:
    """Write the settings to `out` if it has none yet.

    Raises:
        DataError: `out` holds crops of other settings, or is not a folder.
        DiskFullError, ResultsError: it cannot be written.
    """
    require_same_settings(out, settings)
    if not (out / CROP_JSON).exists():
        with replacing(out / CROP_JSON) as part:
            part.write_text(json.dumps({"schema": SCHEMA, **asdict(settings)}, indent=1) + "\n")


class VideoRows:
    """File of the manifest's rows of one video; its first line is the digest of its crops."""

    def __init__(self, out: Path, relative: str) -> None:
        place = out / ROWS / relative
        self._file = place.parent / file_name(place.name, ".csv")

    def is_current(self, digest: str) -> bool:
        """Return True if the video's crops are finished and have this digest."""
        try:
            with _opened(self._file) as file:
                return file.readline() == f"{digest}\n"
        except OSError:
            return False

    def write(self, rows: Sequence[CropRow], digest: str) -> None:
        """Write the rows, which marks the video as finished.

        Raises:
            DiskFullError, ResultsError: the file cannot be written.
        """
        with replacing(self._file) as part, _opened(part, "w") as file:
            file.write(f"{digest}\n")
            csv.writer(file, lineterminator="\n").writerows(row.values() for row in rows)


def write_index(out: Path) -> int:
    """Write the manifest of all finished videos, whole or not at all, and return its number of rows.

    Raises:
        DiskFullError, ResultsError: it cannot be written.
    """
    n = 0
    with replacing(out / NAME) as part, _opened(part, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for rows in _row_files(out / ROWS):
            with _opened(rows) as lines:
                next(lines, None)
                for row in csv.reader(lines):
                    writer.writerow(row)
                    n += 1
    return n


def _row_files(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(where, name) for name in sorted(names) if name.endswith(".csv"))


def _opened(path: Path, mode: Literal["r", "w"] = "r") -> TextIO:
    """Open a text file so that names keep their bytes, even if they are not UTF-8."""
    return path.open(mode, encoding="utf-8", errors="surrogateescape", newline="")
