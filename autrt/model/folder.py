"""Models on disk: the folder of one network, or the folder of an ensemble with copies of its members.

One network:  `model.json`, `weights.safetensors`, `model.onnx`, `reference.npz`
An ensemble:  `ensemble.json`, `members/NAME/` (each a folder of one network)
Either may have a temporal network, `temporal.onnx`; that of an ensemble's member is not used.

This module does not need torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from autrt.errors import UsageError
from autrt.grades import UNGRADED
from autrt.model.digest import file_digest, json_digest
from autrt.model.schema import (
    ENSEMBLE_FILE,
    MODEL_FILE,
    AUGrade,
    Domain,
    EnsembleFile,
    FileFacts,
    ModelFile,
    TemporalFacts,
    read_json,
)
from autrt.types import F32, I32, Bool, TensorSpec

DEFAULT_MODEL: Final = "student"
"""Packaged model that is used where none is named."""

MAX_QUALITY_MODEL: Final = "student-mirror"
"""Packaged model of `--quality max`."""

PACKAGED: Final = Path(__file__).parent / "packaged"
"""Folder of the packaged models."""

WEIGHTS_FILE, GRAPH_FILE, REFERENCE_FILE = "weights.safetensors", "model.onnx", "reference.npz"
TEMPORAL_FILE = "temporal.onnx"
MEMBERS_FOLDER = "members"

HASHED_BYTES: Final = 16 << 20
"""Files up to this size are hashed whenever a model is loaded; larger ones when an engine is built from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One network of a model. It can be pickled."""

    name: str
    path: Path
    """Its folder."""
    architecture: dict[str, Any]
    """{"name": …, and the fields of that architecture's configuration}."""
    au_names: tuple[str, ...]
    thresholds: tuple[float, ...]
    """The network's own, used for checking its engines; decisions are made with the model's thresholds."""
    template: str
    """Name of the alignment template of its crops, a key of `autrt.template.TEMPLATES`."""
    outputs: tuple[TensorSpec, ...]
    """Shapes of one row."""
    network_digest: str
    """SHA-256 over weights, graph, input and architecture, from the digests that `model.json` states."""
    files: dict[str, FileFacts]
    """File name → its size and SHA-256 when the folder was written."""

    @property
    def onnx(self) -> Path:
        """The network as an ONNX file."""
        return self.path / GRAPH_FILE

    @property
    def weights(self) -> Path:
        """The network's state dict as safetensors."""
        return self.path / WEIGHTS_FILE

    @property
    def reference(self) -> Path:
        """Reference crops and the network's outputs for them."""
        return self.path / REFERENCE_FILE

    def verify(self) -> None:
        """Check every file against its SHA-256.

        Raises:
            UsageError: a file is missing or not the one that `model.json` describes.
        """
        for name, facts in self.files.items():
            _check_file(self.path / name, facts, hash_up_to=facts.size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Temporal:
    """A model's temporal network. It can be pickled."""

    path: Path
    """The ONNX file."""
    n_features: int
    """Features of a face that it sees beside the logits; 0 for none."""
    reach_ticks: int
    """Ticks, 30 a second, before and after a frame on which its logits depend."""
    file: FileFacts
    """Size and SHA-256 of the file."""

    def verify(self) -> None:
        """Check the file against its SHA-256.

        Raises:
            UsageError: it is missing, or not the one that the model folder describes.
        """
        _check_file(self.path, self.file, hash_up_to=self.file.size_bytes)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Model:
    """One or more networks, and the settings that turn their logits into decisions. M members, A AUs."""

    name: str
    path: Path
    members: tuple[Member, ...]
    weights: F32
    """(M, A) float32, not negative: weight of each member's logit for each AU."""
    au_names: tuple[str, ...]
    thresholds: F32
    """(A,) float32: probability from which an AU is active."""
    smoothing_windows: I32
    """(A,) int32: smoothing window in frames at 30 frames/s; 1 is none."""
    smoothing_domain: Domain
    """The quantity that is averaged: logit or probability."""
    temporal: Temporal | None = None
    """The network that takes the place of the windows, if any."""
    template: str
    """Name of the alignment template."""
    licence: str
    grades: Mapping[str, AUGrade] = field(default_factory=dict[str, AUGrade])
    """AU name → grade. Not part of `digest`, as they change no results."""

    @property
    def au_grades(self) -> tuple[str, ...]:
        """Grades in the order of `au_names`; `ungraded` where there is none."""
        return tuple(self.grades[au].grade if au in self.grades else UNGRADED for au in self.au_names)

    @property
    def network_digests(self) -> tuple[str, ...]:
        """Digests in the order of `members`."""
        return tuple(member.network_digest for member in self.members)

    @property
    def digest(self) -> str:
        """SHA-256 over everything that decides the model's results: networks, weights, thresholds, windows.

        The temporal network counts too, if there is one.
        """
        return json_digest(
            {
                "networks": self.network_digests,
                "weights": self.weights.tolist(),
                "au_names": self.au_names,
                "thresholds": self.thresholds.tolist(),
                "smoothing_windows": self.smoothing_windows.tolist(),
                "smoothing_domain": self.smoothing_domain,
                **({} if self.temporal is None else {"temporal": self.temporal.file.sha256}),
            }
        )

    def verify(self) -> None:
        """Check every file of every member against its SHA-256.

        Raises:
            UsageError: a file is missing or damaged.
        """
        for part in (*self.members, *([] if self.temporal is None else [self.temporal])):
            part.verify()


def used_members(weights: F32) -> Bool:
    """Return which members any AU uses, (M,) bool; the others are never run. `weights` is (M, A)."""
    return np.any(weights != 0, axis=1)


def packaged_models() -> list[str]:
    """Return the names of the packaged models."""
    return sorted(p.parent.name for file in (MODEL_FILE, ENSEMBLE_FILE) for p in PACKAGED.glob(f"*/{file}"))


def load_model(name_or_path: str | Path = DEFAULT_MODEL) -> Model:
    """Load a packaged model by its name, or the model in a folder.

    Small files are checked by SHA-256, large ones by size only (`Model.verify` hashes all). A packaged model's name
    takes precedence over a folder of that name in the working directory; write `./NAME` for the folder.

    Raises:
        UsageError: there is no such model, or its folder is incomplete or damaged.
    """
    if isinstance(name_or_path, str) and name_or_path in packaged_models():
        path = PACKAGED / name_or_path
    else:
        path = Path(name_or_path)
    if (path / ENSEMBLE_FILE).is_file():
        return _load_ensemble(path)
    if (path / MODEL_FILE).is_file():
        return _load_single(path)
    raise UsageError(_not_found_message(name_or_path, path))


def _not_found_message(asked: str | Path, path: Path) -> str:
    known = ", ".join(packaged_models()) or "none in this installation"
    found = (
        "a folder without them" if path.is_dir() else "a file" if path.exists() else "nothing of that name"
    )
    return (
        f"no model {str(asked)!r}: expected a packaged model's name ({known}), or a folder that holds "
        f"{MODEL_FILE} or {ENSEMBLE_FILE}; found {found}"
    )


def _load_single(path: Path) -> Model:
    file = read_json(path / MODEL_FILE, ModelFile)
    member = _member(path, file)
    return _model(path, file, (member,), np.ones((1, len(file.au_names)), np.float32))


def _load_ensemble(path: Path) -> Model:
    file = read_json(path / ENSEMBLE_FILE, EnsembleFile)
    members: list[Member] = []
    for name in file.members:
        folder = path / MEMBERS_FOLDER / name
        if not (folder / MODEL_FILE).is_file():
            raise UsageError(
                f"{path / ENSEMBLE_FILE} names the member {name!r}, but {folder} holds no {MODEL_FILE}"
            )
        members.append(_member(folder, read_json(folder / MODEL_FILE, ModelFile)))
    _check_agreement(path, file, members)
    return _model(path, file, tuple(members), np.array(file.weights, np.float32))


def _check_agreement(path: Path, file: EnsembleFile, members: list[Member]) -> None:
    """Raise UsageError unless all members have the ensemble's AUs and one template."""
    for member in members:
        if member.au_names != file.au_names:
            raise UsageError(
                f"{path / ENSEMBLE_FILE}: expected every member to have the AUs {', '.join(file.au_names)} in "
                f"this order, found {', '.join(member.au_names)} in {member.name!r}"
            )
        if member.template != members[0].template:
            raise UsageError(
                f"{path / ENSEMBLE_FILE}: members are aligned to different templates: "
                f"{members[0].name!r} to {members[0].template}, {member.name!r} to {member.template}"
            )


def _member(path: Path, file: ModelFile) -> Member:
    stated = {
        WEIGHTS_FILE: file.files.weights,
        GRAPH_FILE: file.files.graph,
        REFERENCE_FILE: file.files.reference,
        **({} if file.temporal is None else {TEMPORAL_FILE: file.temporal.file}),
    }
    for name, facts in stated.items():
        _check_file(path / name, facts, hash_up_to=HASHED_BYTES)
    return Member(
        name=path.resolve().name,
        path=path,
        architecture=dict(file.architecture),
        au_names=file.au_names,
        thresholds=file.thresholds,
        template=file.input.template,
        outputs=tuple(TensorSpec(name, shape, "float32") for name, shape in file.outputs.items()),
        network_digest=json_digest(
            {
                "weights": file.files.weights.sha256,
                "graph": file.files.graph.sha256,
                "input": file.input.model_dump(mode="json"),
                "architecture": file.architecture,
                "au_names": file.au_names,
            }
        ),
        files=stated,
    )


def _temporal(path: Path, facts: TemporalFacts) -> Temporal:
    _check_file(path / TEMPORAL_FILE, facts.file, hash_up_to=HASHED_BYTES)
    return Temporal(
        path=path / TEMPORAL_FILE,
        n_features=facts.features,
        reach_ticks=facts.reach_ticks,
        file=facts.file,
    )


def _check_file(path: Path, facts: FileFacts, hash_up_to: int) -> None:
    """Raise UsageError where a file is missing or differs; hash it only up to a size of `hash_up_to` bytes."""
    if not path.is_file():
        raise UsageError(f"the model folder {path.parent} is incomplete: {path.name} is missing")
    size_bytes = path.stat().st_size
    if size_bytes != facts.size_bytes:
        raise UsageError(
            f"{path} is damaged or from another model: {MODEL_FILE} says {facts.size_bytes} bytes, "
            f"found {size_bytes}; copy the folder again"
        )
    if size_bytes <= hash_up_to and (found := file_digest(path)) != facts.sha256:
        raise UsageError(
            f"{path} is damaged or from another model: {MODEL_FILE} says SHA-256 {facts.sha256}, "
            f"found {found}; copy the folder again"
        )


def _model(path: Path, file: ModelFile | EnsembleFile, members: tuple[Member, ...], weights: F32) -> Model:
    thresholds = np.array(file.thresholds, np.float32)
    windows = np.array(file.smoothing_windows, np.int32)
    for array in (weights, thresholds, windows):
        array.flags.writeable = False
    return Model(
        name=path.resolve().name,
        path=path,
        members=members,
        weights=weights,
        au_names=file.au_names,
        thresholds=thresholds,
        smoothing_windows=windows,
        smoothing_domain=file.smoothing_domain,
        temporal=None if file.temporal is None else _temporal(path, file.temporal),
        template=members[0].template,
        licence=file.licence,
        grades=dict(file.grades),
    )
