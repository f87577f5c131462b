"""Rendered faces that a recipe asks for: reused from an earlier run, or rendered now."""

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
    """Return the folder of the rendered set; if it is missing, the leading process renders it and the others wait.

    Args:
        render: settings of the set.
        group: this process among the run's.
        log: called with a line when rendering begins.

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
    """Return a folder name made of everything that decides the pictures."""
    settings = render.model_dump_json(exclude={"root"})
    return hashlib.sha256(settings.encode()).hexdigest()[:16]
