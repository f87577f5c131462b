"""The workers of a run on a Ray cluster: a process for each place, on nodes that come and go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from autrt.errors import AutrtError, EngineError, UsageError, VideoError
from autrt.pipeline.recognise import StoppedError
from autrt.run.cluster.connection import Refused, living, look_at
from autrt.run.cluster.node import Terms
from autrt.run.cluster.places import Node, places, process_bytes
from autrt.run.cluster.slot import LostError, Slot
from autrt.run.job import OnProgress, Outcome
from autrt.run.memory_budget import MemoryBudget
from autrt.run.split_video import Task
from autrt.run.worker_pool import VideoWorker
from autrt.storage.escape import escape
from autrt.types import Source
from autrt.video.probe import stated_pixels

LOSSES_TOLERATED: Final = 5
"""A video that was in flight when so many nodes were lost is set aside: it may be what ends them."""

STARTS_TOLERATED: Final = 3
"""A process that died so often while it was started is not started again."""

REPORTS_PER_S: Final = 50.0
"""Most reports of progress in a second, of all processes together."""

NODES_S: Final = 5.0
"""Time between looks for nodes that have come."""

PATIENCE_S: Final = 300.0
"""Time that a cluster may be without a node."""

_STOP_S: Final = 30.0
"""Time that processes have to stop; then they are ended."""

_POLL_S: Final = 0.2


class RayPool:
    """A `WorkerPool` of a cluster to which this process is connected.

    Args:
        terms: model, settings and output folder.
        nodes: those there are, as `look_at` found them.
        run: file of the run in the output folder.
        most: videos in flight on each node.
        say: takes a line for the user.
    """

    def __init__(
        self,
        terms: Terms,
        nodes: Sequence[Node | Refused],
        run: Path,
        most: int | None = None,
        say: Callable[[str], object] = lambda line: None,
    ) -> None:
        self._terms, self._run, self._most, self._say = terms, run, most, say
        self._found = nodes
        self._seen = set(living())
        self._slots: set[Slot] = set()
        self._idle: SimpleQueue[Slot | None] = SimpleQueue()
        self._to_start: SimpleQueue[Slot] = SimpleQueue()
        self._starting: dict[Any, Slot] = {}
        self._refused: dict[str, str] = {}
        self._failure: AutrtError | None = None
        self._videos = 0
        self._stop, self._over = threading.Event(), threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="cluster", daemon=True)
        self.isolated = True

    def open(self, videos: int, stop: threading.Event) -> int:
        """Start the processes; see `WorkerPool.open`.

        Raises:
            UsageError: no node can do videos of this run.
        """
        self._videos, self._stop = max(1, videos), stop
        self._take_in(self._found)
        if not self._slots:
            raise self._nothing_left()
        self._watcher.start()
        return len(self._slots)

    def take(self) -> VideoWorker:
        """Wait for an idle process; see `WorkerPool.take`.

        Raises:
            EngineError: no process can be started on any node, or there was none for some minutes.
        """
        return _Turn(self)

    def give_back(self, worker: VideoWorker) -> None:
        """Make a process idle again, or replace it where it died."""
        assert isinstance(worker, _Turn)
        worker.end()

    def do_alone(self, task: Task, stop: threading.Event, on_progress: OnProgress) -> Outcome:
        """Do a video again, in another process: each does one at a time."""
        worker = self.take()
        try:
            return worker.do(task, stop, on_progress)
        finally:
            self.give_back(worker)

    def close(self) -> None:
        """End all processes."""
        self._over.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for slot in self._slots:
            slot.end()

    def next_slot(self) -> Slot:
        """Wait for an idle process.

        Raises:
            StoppedError, EngineError: see `take`.
        """
        slot = self._idle.get()
        if slot is not None and not self._stop.is_set():
            return slot
        self._idle.put(slot)
        if self._failure is not None:
            raise self._failure
        raise StoppedError

    def settle(self, slot: Slot) -> None:
        """Make a slot's process idle, or start another one where it died."""
        if slot.works:
            self._idle.put(slot)
        else:
            slot.starts = 0
            self._to_start.put(slot)

    def say_lost(self, source: Source, error: LostError) -> None:
        """Tell the user that a video is done elsewhere."""
        self._say(f"{escape(source.relative)}: {error}; it is done elsewhere")

    def _take_in(self, found: Sequence[Node | Refused]) -> None:
        """Plan processes for nodes, and say which nodes are left out."""
        nodes = [node for node in found if isinstance(node, Node)]
        for refused in found:
            if isinstance(refused, Refused):
                self._refuse(refused.host, refused.reason)
        memory = {node.id: self._memory_of(node) for node in nodes}
        planned = places(nodes, self._terms.job, self._videos, self._most)
        report_s = max(0.1, (len(self._slots) + len(planned)) / REPORTS_PER_S)
        for place in planned:
            slot = Slot(place, self._terms, self._run, memory[place.node.id], report_s)
            self._slots.add(slot)
            self._to_start.put(slot)
        if planned:
            hosts = ", ".join(sorted({place.node.host for place in planned})[:4])
            n = len({place.node.id for place in planned})
            nodes_text = f"{n} node{'' if n == 1 else 's'} ({hosts}{', …' if n > 4 else ''})"
            self._say(f"ray: {len(planned)} processes on {nodes_text}")

    def _memory_of(self, node: Node) -> MemoryBudget:
        return MemoryBudget(
            node.facts.memory_bytes,
            workers=len(places([node], self._terms.job, self._videos, self._most)),
            each_bytes=process_bytes(self._terms.job),
            max_pixels=self._terms.job.settings.max_pixels,
            pixels_of=stated_pixels,
        )

    def _refuse(self, host: str, reason: str) -> None:
        if self._refused.get(host) != reason:
            self._refused[host] = reason
            self._say(f"ray: {host} is left out: {reason}")

    def _nothing_left(self) -> AutrtError:
        if self._refused:
            reasons = "".join(f"\n  {host}: {reason}" for host, reason in self._refused.items())
            return UsageError(f"ray: no node of the cluster can do these videos:{reasons}")
        device = "cores" if self._terms.job.settings.device == "cpu" else "cores and GPUs"
        return EngineError(
            f"ray: expected nodes with {device} to give away, found none: see `ray status`, start some "
            "(`ray start --address HOST:6379`) and run the same command again"
        )

    def _watch(self) -> None:
        """Start processes, notice nodes that come, and pass on that the run is to stop; the watcher's thread."""
        import ray

        looked_s = with_nodes_s = time.monotonic()
        while not self._over.is_set() and not self._stop.is_set():
            while not self._to_start.empty():
                self._start(self._to_start.get())
            ready: list[Any] = []
            if self._starting:
                ready, _ = ray.wait(list(self._starting), timeout=_POLL_S)
            else:
                self._over.wait(_POLL_S)
            for reference in ready:
                self._started(self._starting.pop(reference), reference)
            now_s = time.monotonic()
            if now_s - looked_s > NODES_S:
                looked_s = now_s
                self._look_for_nodes()
            with_nodes_s = now_s if self._slots else with_nodes_s
            if not self._slots and (self._refused or now_s - with_nodes_s > PATIENCE_S):
                self._failure = self._nothing_left()
                break
        self._idle.put(None)
        if self._stop.is_set():
            self._end_at_stop()

    def _start(self, slot: Slot) -> None:
        if slot.place.node.id not in living():
            self._drop(slot)
        elif slot.starts >= STARTS_TOLERATED:
            self._refuse(
                slot.place.node.host, f"its processes died {slot.starts} times while they were started"
            )
            self._drop(slot)
        else:
            self._starting[slot.start()] = slot

    def _started(self, slot: Slot, reference: Any) -> None:
        import ray
        from ray.exceptions import RayError

        try:
            problem: AutrtError | None = ray.get(reference)
        except RayError:
            slot.end()
            self._to_start.put(slot)
            return
        if problem is None:
            self._idle.put(slot)
        else:
            self._refuse(slot.place.node.host, str(problem))
            self._drop(slot)

    def _drop(self, slot: Slot) -> None:
        slot.end()
        self._slots.discard(slot)

    def _look_for_nodes(self) -> None:
        """Look at nodes that have come, in a thread: that takes seconds."""
        if new := set(living()) - self._seen:
            self._seen |= new

            def look() -> None:
                with suppress(Exception):  # the connection was closed meanwhile
                    self._take_in(look_at(sorted(new), self._terms))

            threading.Thread(target=look, name="nodes", daemon=True).start()

    def _end_at_stop(self) -> None:
        """Have all processes drop their videos; end those that do not."""
        for slot in self._slots:
            slot.ask_to_stop()
        if not self._over.wait(_STOP_S):
            for slot in self._slots:
                slot.end()


class _Turn:
    """A `VideoWorker`: an idle process for one video, and others where its node is lost."""

    def __init__(self, pool: RayPool) -> None:
        self._pool = pool
        self._slot: Slot | None = pool.next_slot()

    def do(self, task: Task, stop: threading.Event, on_progress: OnProgress) -> Outcome:
        """See `VideoWorker.do`; videos alone are done here, no sections."""
        assert isinstance(task, Source), "--split is refused on a cluster"
        for _ in range(LOSSES_TOLERATED):
            self._slot = self._slot or self._pool.next_slot()
            try:
                return self._slot.do(task, stop, on_progress)
            except LostError as error:
                if stop.is_set():
                    raise StoppedError from None
                self._pool.say_lost(task, error)
                self.end()
        raise VideoError(
            f"{LOSSES_TOLERATED} machines that did it were lost one after the other: it is set aside; run the same "
            "command again to try once more"
        )

    def end(self) -> None:
        """Give the process back."""
        slot, self._slot = self._slot, None
        if slot is not None:
            self._pool.settle(slot)
