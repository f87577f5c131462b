"""Rendered faces that a recipe asks for: found where an earlier run left them, or drawn now."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from autrt.storage.cache import cache_dir
from autrt_train.fit.process_group import ProcessGroup
from autrt_train.recipe import RenderSettings
from autrt_train.synth.dataset.dataset import write_dataset
from autrt_train.synth.dataset.settings import SynthSettings
from autrt_train.types import DataError

FINISHED = "synth.json"


def rendered_faces_folder(render: RenderSettings, group: ProcessGroup, log: Callable[[str], object]) -> Path:
    """The folder of the rendered set; the leading process draws it if it is not there, the others wait.

    Args:
        render: what is wanted.
        group: this process among the run's.
        log: told that drawing begins.

    Raises:
        DataError: no rig is named, or it cannot be read.
    """
    if not render.rig:
        raise DataError(
            "data.render.rig: expected the place of an ICT-FaceKit clone (or `stand-in` for a generated head), "
            "found nothing: --set data.render.rig=PATH"
        )
    root = Path(render.root) if render.root else cache_dir() / "synth" / _name(render)
    with group.leader_first():
        if not (root / FINISHED).is_file():
            log(f"rendering {render.people} people into {root}")
            write_dataset(root, Path(render.rig).expanduser(), _settings(render))
    return root


def _settings(render: RenderSettings) -> SynthSettings:
    return SynthSettings(
        seed=render.seed,
        people=render.people,
        per_person=render.per_person,
        preset=render.preset,
        validation=render.validation,
    )


def _name(render: RenderSettings) -> str:
    """A folder's name made of everything that decides the pictures."""
    settings = render.model_dump_json(exclude={"root"})
    return hashlib.sha256(settings.encode()).hexdigest()[:16]
