"""Model folders of the selected networks, from which the ensemble's folder is assembled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autrt import __version__
from autrt.aus import authors_windows
from autrt.model.export import save_model
from autrt.model.folder import Model, load_model
from autrt.model.schema import MODEL_FILE, Domain
from autrt.storage.atomic_folder import copy_files
from autrt.types import F32
from autrt_train.ensembling.candidates import Candidate, Checkpoint, FolderNetwork
from autrt_train.fit.reference_crops import reference_crops
from autrt_train.loading.loader import Loader
from autrt_train.types import Index


def member_folder(
    folder: Path, candidate: Candidate, thresholds: F32, index: Index, loader: Loader, data_digest: str
) -> Model:
    """Write a selected network's model folder, or copy the folder that it has.

    Args:
        folder: target; its name becomes the member's.
        candidate: the network.
        thresholds: (A,) float32, for checking engines against the reference outputs.
        index: validation pictures, for the reference crops.
        loader: of the same pictures.
        data_digest: of the same pictures.

    Raises:
        UsageError: the network is damaged, or gives NaN.
    """
    if isinstance(candidate, FolderNetwork):
        copy_files(candidate.member.path, folder, (MODEL_FILE, *candidate.member.files))
        return load_model(folder)
    assert isinstance(candidate, Checkpoint)
    recipe = candidate.recipe
    return save_model(
        folder,
        candidate.network(),
        crops=reference_crops(recipe.model.reference, index, loader),
        licence=recipe.model.licence,
        thresholds=thresholds.tolist(),
        training={
            "recipe": recipe.model_dump(mode="json"),
            "checkpoint": f"{candidate.run.resolve().name}/{candidate.path.parent.name}/{candidate.path.name}",
            "thresholds_data_digest": data_digest,
            "autrt": __version__,
        },
    )


def names_of(candidates: Sequence[Candidate]) -> list[str]:
    """Return a different name for each candidate."""
    names: list[str] = []
    for candidate in candidates:
        name, number = candidate.name, 2
        while name in names:
            name, number = f"{candidate.name}-{number}", number + 1
        names.append(name)
    return names


def smoothing_of(candidates: Sequence[Candidate]) -> tuple[list[int], Domain]:
    """Return the windows and domain that all candidates' model folders agree on; else the paper's authors'."""
    models = [c.model for c in candidates if isinstance(c, FolderNetwork)]
    known = {(tuple(m.smoothing_windows.tolist()), m.smoothing_domain) for m in models}
    if len(known) == 1 and len(models) == len(candidates):
        return models[0].smoothing_windows.tolist(), models[0].smoothing_domain
    return list(authors_windows(candidates[0].au_names)), "logit"
