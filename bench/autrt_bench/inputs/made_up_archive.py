"""A made-up folder of videos and results, as after a long run."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt import __version__
from autrt.model.folder import Model
from autrt.results.fingerprint import SourceFacts
from autrt.results.header import Header, VideoFacts
from autrt.results.names import results_path
from autrt.results.writer import ResultsWriter, utc_now
from autrt.run.finished_file import FileState, FinishedFile
from autrt.run.manifest import Manifest
from autrt.types import F32, Block, Bool, Faces, Source

SETTINGS: Final = {"detect_every": None, "image_rate": "30", "precision": "f32", "smoothing": "logit"}

_FRAMES: Final = 60
_RATE: Final = 30


@dataclass(frozen=True, slots=True)
class Archive:
    """Videos of two seconds and one face, all finished."""

    out: Path
    sources: list[Source]
    model: Model

    @property
    def targets(self) -> list[Path]:
        """Results files, in the order of the sources."""
        return [results_path(self.out, source.relative) for source in self.sources]


def make_archive(folder: Path, model: Model, n: int) -> Archive:
    """Write `n` results files of random rows, their videos (a few bytes each) and a manifest."""
    sources = [Source(folder / "in" / f"{i:06d}.mp4", f"{i:06d}.mp4", "video") for i in range(n)]
    (folder / "in").mkdir()
    archive = Archive(folder / "out", sources, model)
    with Manifest(archive.out) as manifest:
        for i, source in enumerate(sources):
            source.path.write_bytes(f"video {i}".encode())
            header = _header(SourceFacts.of(source), model)
            target = _write(results_path(archive.out, source.relative), header, i)
            state = FileState.of(target)
            assert state is not None
            finished = FinishedFile.of(header.source, header.run_digest, state)
            manifest.record(source.relative, "started")
            manifest.record(
                source.relative, "ok", frames=_FRAMES, run_digest=header.run_digest, finished=finished
            )
    return archive


def _write(target: Path, header: Header, seed: int) -> Path:
    logit, block = _rows(len(header.au_names), len(header.member_names), seed)
    probability = (1 / (1 + np.exp(-logit))).astype(np.float32)
    active: Bool = probability >= np.array(header.thresholds, np.float32)
    with ResultsWriter(target, header) as writer:
        writer.write(block, logit, probability, probability, active)
        return writer.finish()


def _rows(n_aus: int, n_members: int, seed: int) -> tuple[F32, Block]:
    draw = np.random.default_rng(seed)
    index = np.arange(_FRAMES)
    corner = draw.uniform(0, 300, (_FRAMES, 2)).astype(np.float32)
    faces = Faces(
        row=index,
        boxes=np.concatenate([corner, corner + 60], axis=1),
        landmarks=corner[:, None] + draw.uniform(0, 60, (_FRAMES, 5, 2)).astype(np.float32),
        score=draw.uniform(0.5, 1, _FRAMES).astype(np.float32),
        track=np.zeros(_FRAMES, np.int32),
        source=(index % 6 > 0).astype(np.uint8),
    )
    member = draw.normal(-1, 2, (_FRAMES, n_members, n_aus)).astype(np.float32)
    return member[:, 0], Block(
        index=index,
        pts=index * 512,
        time_s=index / _RATE,
        damaged=np.zeros(_FRAMES, np.bool_),
        faces=faces,
        outputs={"logits": member},
    )


def _header(source: SourceFacts, model: Model) -> Header:
    facts: dict[str, Any] = {
        "video": VideoFacts(
            width_px=640, height_px=360, rate_hz=float(_RATE), frame_count=_FRAMES, duration_s=_FRAMES / _RATE,
            codec="h264", pixel_format="yuv420p",
        ),
        "member_names": tuple(member.name for member in model.members),
        "network_digests": tuple(member.network_digest for member in model.members),
        "versions": {"autrt": __version__, **{p: version(p) for p in ("numpy", "av", "openvino", "h5py")}},
    }  # fmt: skip
    return Header(
        source=source,
        time_base=Fraction(1, _RATE * 512),
        au_names=model.au_names,
        thresholds=tuple(float(t) for t in model.thresholds),
        smoothing_windows=tuple(int(w) for w in model.smoothing_windows),
        smoothing_domain=model.smoothing_domain,
        baseline="none",
        model_name=model.name,
        model_digest=model.digest,
        settings=SETTINGS,
        engine="openvino",
        precision="f32",
        device="cpu",
        detector_digest="0" * 64,
        detect_every=6,
        command="autrt infer --videos in --out out",
        started_utc=utc_now(),
        **facts,
    )
