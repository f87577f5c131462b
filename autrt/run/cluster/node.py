"""What runs on the nodes of a cluster: a look at the node, and the process that does videos there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from autrt.console.progress import VideoProgress
from autrt.download.fetch import fetch
from autrt.errors import AutrtError, UsageError
from autrt.machine import memory_limit
from autrt.model.folder import Model, load_model
from autrt.pipeline.networks import Networks
from autrt.pipeline.open_networks import DETECTOR_FILE, open_networks
from autrt.results.model_titles import short_digest
from autrt.run.do_video import do_video
from autrt.run.job import Job, Outcome, configure_process
from autrt.run.notes import internal_error
from autrt.run.versions import computing_versions
from autrt.run.worker import ThrottledProgress, answer_of
from autrt.storage.escape import escape
from autrt.types import Source

Answer = VideoProgress | Outcome | Exception
"""What a `NodeProcess` says of a video: progress, and at last its outcome or the exception to raise."""

_LIST_GPUS = "from autrt.engine.gpu import find_gpus; print(*(gpu.memory_bytes for gpu in find_gpus()))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a node must agree with. Plain data, which is sent there."""

    job: Job
    """Its output folder is an absolute path."""
    model: str | Path
    """A packaged model's name, or the absolute path of a model folder."""
    offline: bool
    """Whether the node may fetch nothing."""
    sample: Path | None
    """A video that the node must see; None where there is none to ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a node has."""

    memory_bytes: float
    gpu_bytes: tuple[int, ...]
    """Memory of each GPU; 0 where the driver does not say."""


def look(terms: Terms) -> NodeFacts | AutrtError:
    """Return what this node has, or why it must do no videos."""
    try:
        _require_versions(terms.job)
        _model_here(terms)
        if terms.sample is not None and not os.path.lexists(terms.sample):
            raise UsageError(
                f"expected to see the same files as the machine of the command, found no "
                f"{escape(str(terms.sample))}: mount the videos at the same place"
            )
        if terms.job.settings.aligned is None:
            fetch(DETECTOR_FILE, offline=terms.offline)
        on_gpu = terms.job.settings.device != "cpu"
        return NodeFacts(memory_bytes=memory_limit(), gpu_bytes=_gpu_bytes() if on_gpu else ())
    except AutrtError as error:
        return error


class NodeProcess:
    """A process on a node, which does one video after another with networks that it opens once.

    Args:
        terms: model, settings and output folder.
        run: file of the run in the output folder (`presence.Presence.path`).
        threads: cores that the process may use.
        report_s: time between reports of progress.
    """

    def __init__(self, terms: Terms, run: Path, threads: int, report_s: float) -> None:
        self._terms, self._run, self._report_s = terms, run, report_s
        self._job = replace(terms.job, threads=threads)
        self._stop = threading.Event()
        self._networks: Networks | None = None

    def open(self) -> AutrtError | None:
        """Open the networks, or return why they cannot be."""
        try:
            if not self._run.exists():
                raise UsageError(
                    f"expected the same output folder as on the machine of the command, found no "
                    f"{escape(str(self._run))}: give --out a folder that all nodes share"
                )
            self._job = replace(self._job, model=_model_here(self._terms))
            self._networks = open_networks(self._job.model, self._job.settings, self._job.threads)
            configure_process()
        except AutrtError as error:
            return error
        except Exception as error:
            return UsageError(internal_error(error))
        return None

    def do(self, source: Source, permit: Path) -> Iterator[Answer]:
        """Do a video; yield its progress and, last, its end.

        Args:
            source: the video.
            permit: the file that may become the results file.
        """
        answers: SimpleQueue[Answer] = SimpleQueue()
        threading.Thread(target=self._do, args=(source, permit, answers), name="video", daemon=True).start()
        while isinstance(answer := answers.get(), VideoProgress):
            yield answer
        yield answer

    def _do(self, source: Source, permit: Path, answers: SimpleQueue[Answer]) -> None:
        networks = self._networks
        assert networks is not None
        progress = ThrottledProgress(answers.put, self._report_s)
        answers.put(answer_of(lambda: do_video(self._job, networks, source, self._stop, progress, permit)))

    def stop(self) -> None:
        """End the video in progress early, and all that come."""
        self._stop.set()


def _require_versions(job: Job) -> None:
    """Refuse where the packages that compute are others than those that the results' headers name.

    Raises:
        UsageError: names those that differ.
    """
    here = computing_versions()
    differ = [name for name in {**job.versions, **here} if job.versions.get(name) != here.get(name)]
    if differ:
        there = ", ".join(f"{name} {job.versions.get(name, 'missing')}" for name in differ)
        found = ", ".join(f"{name} {here.get(name, 'missing')}" for name in differ)
        raise UsageError(
            f"expected {there} as on the machine of the command, found {found}: install the same"
        )


def _model_here(terms: Terms) -> Model:
    """Load the job's model on this machine.

    Raises:
        UsageError: there is none of that name or folder, or it is another one.
    """
    model, expected = load_model(terms.model), terms.job.model.digest
    if model.digest != expected:
        raise UsageError(
            f"expected the model {short_digest(expected)} as on the machine of the command, found "
            f"{short_digest(model.digest)} in {escape(str(model.path))}"
        )
    return model


def _gpu_bytes() -> tuple[int, ...]:
    """Return the memory of each GPU, in a process that sees them all: Ray hides them from this one."""
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(
        [sys.executable, "-c", _LIST_GPUS], env=environment, capture_output=True, text=True, check=False
    )
    return tuple(map(int, done.stdout.split()))
