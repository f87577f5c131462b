"""Candidates of an ensemble: checkpoints of training runs, and networks of model folders."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from pydantic import ValidationError
from torch import nn

from autrt.errors import UsageError
from autrt.model.folder import Member, Model, load_model, packaged_models
from autrt.model.load import load_network
from autrt.model.schema import ENSEMBLE_FILE, MODEL_FILE
from autrt.model.state_dict import read_state_dict
from autrt.model.temporal_folder import require_no_temporal
from autrt.storage.escape import escape
from autrt_train.fit.best_checkpoints import BEST_FILE
from autrt_train.fit.checkpoint import WEIGHTS
from autrt_train.recipe import Recipe
from autrt_train.train import MODEL_FOLDER, RECIPE_FILE
from autrt_train.training_network import build_training_network

LONGEST_NAME: Final = 80


class Candidate(Protocol):
    """A network that may become a member."""

    @property
    def name(self) -> str:
        """Short name, fit for a folder."""
        ...

    @property
    def origin(self) -> str:
        """Description of where it comes from."""
        ...

    @property
    def au_names(self) -> tuple[str, ...]:
        """AUs of its logits, in order."""
        ...

    @property
    def template(self) -> str:
        """Name of the alignment template that its crops follow."""
        ...

    def network(self) -> nn.Module:
        """Load the network with its weights, on the CPU, in eval mode.

        Raises:
            UsageError: weights are damaged or do not fit.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Weights of one validation in a training run."""

    path: Path
    """`RUN/weights/NNNN.pt`."""
    recipe: Recipe = field(repr=False)
    name: str = ""
    template: str = "arcface-112"

    @property
    def run(self) -> Path:
        """Folder of the run."""
        return self.path.parent.parent

    @property
    def origin(self) -> str:
        """Path of the weights."""
        return escape(str(self.path))

    @property
    def au_names(self) -> tuple[str, ...]:
        """AUs of the recipe."""
        return self.recipe.au_names

    def network(self) -> nn.Module:
        """See `Candidate`."""
        network = build_training_network(self.recipe, ()).network
        try:
            network.load_state_dict(read_state_dict(self.path))
        except RuntimeError as error:
            raise UsageError(
                f"{self.origin} does not fit the network of {escape(str(self.run / RECIPE_FILE))}: {error}"
            ) from error
        return network.eval()


@dataclass(frozen=True, slots=True)
class FolderNetwork:
    """A member of a model folder."""

    member: Member
    model: Model = field(repr=False)
    name: str

    @property
    def origin(self) -> str:
        """Folder of the member."""
        return escape(str(self.member.path))

    @property
    def au_names(self) -> tuple[str, ...]:
        """AUs of the member."""
        return self.member.au_names

    @property
    def template(self) -> str:
        """Alignment template of the member."""
        return self.member.template

    def network(self) -> nn.Module:
        """See `Candidate`."""
        self.member.verify()
        return load_network(self.member)


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A training run."""

    name: str
    recipe: Recipe = field(repr=False)
    """Recipe; names the run's validation data."""


@dataclass(frozen=True, slots=True)
class EnsembleSource:
    """The candidates of one argument: a run, of which one checkpoint per AU takes part, or a single network."""

    name: str
    candidates: tuple[Candidate, ...]
    run: TrainingRun | None = None
    """The training run of the candidates, if any."""


def read_sources(names: Sequence[str]) -> list[EnsembleSource]:
    """Read the candidates that arguments name.

    Args:
        names: run folders, checkpoints in their `weights`, model folders, names of packaged models. An ensemble's
            members become sources of their own.

    Raises:
        UsageError: a name of anything else, a run that learns no AUs or lacks a checkpoint, or candidates that
            differ in AUs or alignment.
    """
    sources = [source for name in names for source in _read(name)]
    candidates = [candidate for source in sources for candidate in source.candidates]
    first = candidates[0]
    for other in candidates[1:]:
        for what, expected, found in (
            ("the AUs", ", ".join(first.au_names), ", ".join(other.au_names)),
            ("the alignment", first.template, other.template),
        ):
            if expected != found:
                raise UsageError(
                    f"members of an ensemble share {what}: {first.origin} has {expected}, "
                    f"{other.origin} has {found}"
                )
    return sources


def _read(name: str) -> list[EnsembleSource]:
    path = Path(name)
    if name in packaged_models() or any((path / file).is_file() for file in (MODEL_FILE, ENSEMBLE_FILE)):
        model = load_model(name)
        require_no_temporal(model, "an ensemble's thresholds and windows are found for")
        own = _own_name(model.path)
        single = len(model.members) == 1
        found = [FolderNetwork(m, model, own if single else _plain(f"{own}-{m.name}")) for m in model.members]
        return [EnsembleSource(candidate.name, (candidate,)) for candidate in found]
    if (path / BEST_FILE).is_file():
        return [_run(path)]
    if path.is_file() and path.parent.name == WEIGHTS and (path.parent.parent / RECIPE_FILE).is_file():
        recipe = _recipe(path.parent.parent)
        checkpoint = Checkpoint(path=path, recipe=recipe, name=_checkpoint_name(path))
        run = TrainingRun(_own_name(path.parent.parent), recipe)
        return [EnsembleSource(checkpoint.name, (checkpoint,), run)]
    found = "nothing" if not path.exists() else "a folder without them" if path.is_dir() else "another file"
    raise UsageError(
        f"{escape(name)}: expected a run that `autrt train` wrote (a folder with {BEST_FILE}), one of its "
        f"checkpoints ({WEIGHTS}/NNNN.pt), or a model folder ({MODEL_FILE} or {ENSEMBLE_FILE}); found {found}"
    )


def _run(path: Path) -> EnsembleSource:
    recipe = _recipe(path)
    try:
        entries = json.loads((path / BEST_FILE).read_bytes())
        files = sorted({str(entry["weights"]) for entry in entries.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{escape(str(path / BEST_FILE))} is damaged: {error}") from error
    if lacking := [file for file in files if not (path / file).is_file()]:
        raise UsageError(
            f"{escape(str(path / BEST_FILE))} names {lacking[0]}, which is not there: train the run again, or name "
            "single checkpoints"
        )
    candidates = [
        Checkpoint(path=path / file, recipe=recipe, name=_checkpoint_name(path / file)) for file in files
    ]
    name = _own_name(path)
    return EnsembleSource(name, tuple(candidates), TrainingRun(name, recipe))


def _recipe(run: Path) -> Recipe:
    place = run / RECIPE_FILE
    try:
        recipe = Recipe.model_validate_json(place.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(f"{escape(str(place))}: expected the recipe of a run: {error}") from error
    if recipe.task != "au":
        raise UsageError(
            f"{escape(str(run))}: expected a run that learns AUs, found the task {recipe.task!r}"
        )
    return recipe


def _checkpoint_name(path: Path) -> str:
    return _plain(f"{_own_name(path.parent.parent)}-{path.stem}")


def _own_name(folder: Path) -> str:
    """Return a folder's name; for `model` folders of runs with the parent's name in front."""
    place = folder.resolve()
    return _plain(f"{place.parent.name}-{place.name}" if place.name == MODEL_FOLDER else place.name)


def _plain(name: str) -> str:
    """Replace characters other than letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).strip("._-")[:LONGEST_NAME] or "member"
