"""Decisions made anew in a folder of results, file by file, in parallel; what was done already is left alone."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from autrt.errors import AutrtError, DiskFullError, UsageError
from autrt.results.find import find_results
from autrt.results.fingerprint import SourceFacts
from autrt.results.in_processes import Died, in_processes
from autrt.results.open_guarded import open_guarded
from autrt.results.reader import open_results
from autrt.run.decisions import Decisions, decide_anew
from autrt.run.finished_file import FileState, FinishedFile
from autrt.run.folder_lock import lock_folder
from autrt.run.manifest import Manifest
from autrt.run.run_json import RunJson
from autrt.storage.atomic_file import sweep
from autrt.storage.escape import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """The end of one file."""

    status: Literal["ok", "done before", "failed"]
    reason: str = ""
    frames: int = 0
    source: SourceFacts | None = None
    run_digest: str = ""
    partial: bool = False
    """Part of the video was lost."""
    error: DiskFullError | None = None
    """What ends the whole work."""


class _Task(NamedTuple):
    source: Path
    target: Path


def recompute(
    results: Path, out: Path | None, decisions: Decisions, command: str, jobs: int
) -> Generator[tuple[Path, Recomputed]]:
    """Make the decisions of results anew; yield each file's relative path and end when it is done.

    A folder that `autrt infer` filled is locked meanwhile, and its `run.json` and manifest follow, so that `infer`
    with these decisions takes the files for its own. Closing the generator stops the work; the same call goes on.

    Args:
        results: the output folder of `autrt infer`, another folder of results files, or one file.
        out: folder for the new files; None: they take the place of the old ones.
        decisions: see `Decisions`.
        command: stored in each file.
        jobs: processes at once.

    Raises:
        UsageError: there are no results, `out` lies within them, or a run is at work in the folder.
        DiskFullError: no room.
        ResultsError: the manifest cannot be written.
    """
    found = find_results([results])
    if out is not None and results.resolve() in out.resolve().parents:
        raise UsageError(
            f"{escape(str(out))} lies in {escape(str(results))}, whose results would be there twice: expected a "
            "folder outside it"
        )
    tasks = [_Task(path, path if out is None else out / relative) for path, relative in found]
    with ExitStack() as opened:
        manifest = _lock(opened, results, out, decisions, [str(relative) for _, relative in found])
        work = partial(_recompute_one, decisions=decisions, command=command)
        for place, one in opened.enter_context(closing(in_processes(work, tasks, jobs, preload=__name__))):
            end = Recomputed(status="failed", reason=str(one)) if isinstance(one, Died) else one
            if end.error is not None:
                raise end.error
            if manifest is not None and end.status == "ok":
                _note(manifest, tasks[place].target, end)
            yield found[place][1], end


def _lock(
    opened: ExitStack, results: Path, out: Path | None, decisions: Decisions, names: Sequence[str]
) -> Manifest | None:
    """Make a run's folder follow the decisions, and return its manifest; None for files that no run owns."""
    before = RunJson.read(results)
    if before is None:
        return None
    folder = results if out is None else out
    settings, about = decisions.settings(dict(before.settings)), dict(before.about)
    if (model := decisions.model) is not None:
        settings["model"], about["model_name"] = model.digest, model.name
    after = replace(before, settings=settings, about=about, overwrites=())
    lock = lock_folder(folder, after, sharded=False, videos=names, found=RunJson.read(folder))
    opened.enter_context(closing(lock))
    sweep(folder)
    opened.callback(sweep, folder)
    return opened.enter_context(Manifest(folder))


def _note(manifest: Manifest, target: Path, end: Recomputed) -> None:
    """Note a new file, so that the next run need not open it."""
    state = FileState.of(target)
    if state is not None and end.source is not None:
        finished = FinishedFile.of(end.source, end.run_digest, state, partial=end.partial)
        manifest.record(end.source.path, "found", run_digest=end.run_digest, finished=finished)


def _recompute_one(task: _Task, *, decisions: Decisions, command: str) -> Recomputed:
    """Do one file; the work of a process."""
    try:
        with open_guarded(task.source) as results:
            facts = Recomputed(
                status="done before",
                frames=results.n_frames,
                source=results.header.source,
                run_digest=decisions.run_digest(results.header),
                partial=len(results.lost) > 0,
            )
            if _digest_of(task.target) == facts.run_digest:
                return facts
            decide_anew(results, task.target, decisions, command)
        return replace(facts, status="ok")
    except AutrtError as error:
        full = error if isinstance(error, DiskFullError) else None
        return Recomputed(status="failed", reason=str(error), error=full)


def _digest_of(path: Path) -> str:
    """Return the run digest of a results file; empty where there is none."""
    try:
        with open_results(path) as results:
            return results.run_digest
    except AutrtError:
        return ""
