"""The exchange of a run with object storage: videos come ahead of their turn, results go while others are done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from autrt.cloud.retry import RequestCancelledError
from autrt.cloud.staging import Staging
from autrt.errors import AutrtError, VideoError
from autrt.pipeline.recognise import StoppedError
from autrt.run.cloud.files import CloudFiles
from autrt.run.cloud.inputs import RemoteInputs
from autrt.run.cloud.manifest_copies import ManifestCopies
from autrt.run.cloud.outputs import RemoteOutputs
from autrt.run.exchange import Exchange
from autrt.run.job import Outcome
from autrt.run.manifest import Manifest
from autrt.run.notes import internal_error
from autrt.run.shard import Shard
from autrt.types import Source

DELIVERED_AT_ONCE: Final = 4
"""Results that are taken to the store at once."""

AHEAD: Final = 2
"""Videos that wait on this machine, or are on their way, for each that is done."""

_SEND_S: Final = 10.0
"""Time between copies of the manifest."""


class CloudExchange(Exchange):
    """See `Exchange`.

    Args:
        inputs: the remote videos.
        outputs: the remote results; None where they stay on this machine.
        limit_bytes: most bytes of videos on this machine.
        token: names the manifest of this run.
    """

    def __init__(
        self, inputs: RemoteInputs, outputs: RemoteOutputs | None, limit_bytes: int, token: str
    ) -> None:
        self.remote = len(inputs) > 0
        self._inputs, self._outputs = inputs, outputs
        self._files = CloudFiles(inputs, outputs)
        self._limit_bytes, self._token = limit_bytes, token
        self._copies = (
            None
            if outputs is None
            else ManifestCopies(outputs.store, outputs.top, outputs.folder / f"manifest.{token}.jsonl")
        )
        self._sources: dict[str, Source] = {}
        self._stop = threading.Event()

    def open_manifest(self, out: Path, shard: Shard | None = None) -> Manifest:
        """See `Exchange`; the manifest is this run's alone."""
        return (
            super().open_manifest(out, shard) if self._outputs is None else Manifest(out, token=self._token)
        )

    def begun(self, order: Sequence[Source], workers: int, stop: threading.Event) -> Self:
        """See `Exchange`."""
        self._stop = stop
        self._sources = {source.relative: source for source in order}
        self._staging = Staging(
            [source.relative for source in order if source in self._inputs],
            ahead=workers * (1 + AHEAD),
            limit_bytes=self._limit_bytes,
            size_of=self._inputs.size_bytes,
            copy=self._inputs.copy,
            drop=self._inputs.drop,
        )
        self._deliveries = ThreadPoolExecutor(DELIVERED_AT_ONCE, "delivery")
        self._over = threading.Event()
        self._sender = threading.Thread(target=self._send_now_and_then, name="manifest", daemon=True)
        self._sender.start()
        return self

    @contextmanager
    def staged(self, source: Source, stop: threading.Event) -> Generator[Source]:
        """See `Exchange`."""
        if source not in self._inputs:
            yield source
            return
        try:
            with self._staging.staged(source.relative, stop) as here:
                yield here
        except RequestCancelledError:
            raise StoppedError from None

    def deliver(self, outcome: Outcome, record: Callable[[Outcome], object]) -> None:
        """See `Exchange`."""
        outcome = self._as_listed(outcome)
        if self._outputs is None or outcome.status not in ("ok", "partial"):
            record(outcome)
        else:
            self._deliveries.submit(self._deliver, self._outputs, outcome, record)

    def _deliver(self, outputs: RemoteOutputs, outcome: Outcome, record: Callable[[Outcome], object]) -> None:
        try:
            try:
                delivered = outputs.deliver(outcome)
            except AutrtError as error:
                self._stop_for(error)
                delivered = Outcome(relative=outcome.relative, status="stopped", reason=str(error))
            except Exception as error:
                reason = internal_error(error)
                delivered = Outcome(relative=outcome.relative, status="failed", reason=reason)
            record(delivered)
        except AutrtError as error:
            self._stop_for(error)

    def _as_listed(self, outcome: Outcome) -> Outcome:
        """Return the outcome in terms of the source's own place, not of its copy."""
        source = self._sources.get(outcome.relative)
        if source is None or source not in self._inputs:
            return outcome
        reason = outcome.reason.replace(str(source.path), self._inputs.shown(source.relative))
        try:
            now = self._files.source_state(source)
        except VideoError:
            return replace(outcome, reason=reason)
        return replace(outcome, reason=reason, finished=outcome.finished and outcome.finished.at(now))

    def close(self) -> None:
        """See `Exchange`."""
        self._staging.close()
        self._deliveries.shutdown()
        self._over.set()
        self._sender.join()
        self.send_manifest()

    def forget_manifest(self) -> None:
        """Remove the manifest on this machine, once all of it is in the store.

        Raises:
            StorageError: the store refuses, or does not answer; the next run sends it.
        """
        if self._copies is not None and self.error is None:
            self._copies.send()
            self._copies.local.unlink(missing_ok=True)

    def send_manifest(self) -> None:
        """Copy what the manifest gained; an error stops the run."""
        try:
            if self._copies is not None:
                self._copies.send()
        except AutrtError as error:
            self._stop_for(error)

    def _send_now_and_then(self) -> None:
        while not self._over.wait(_SEND_S):
            self.send_manifest()

    def _stop_for(self, error: AutrtError) -> None:
        self.error = self.error or error
        self._stop.set()
