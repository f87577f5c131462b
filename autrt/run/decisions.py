"""Decisions made anew from the logits of a results file: ensemble, baseline, smoothing and thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from autrt.face.people import UNSURE
from autrt.model.folder import Model, used_members
from autrt.pipeline.sink import ResultsSink
from autrt.results.extra_columns import extra_columns
from autrt.results.fingerprint import run_digest
from autrt.results.header import Header
from autrt.results.reader import Results
from autrt.results.schema import FACE_FIELDS, Column
from autrt.results.table import file_error
from autrt.run.options import parse_baseline
from autrt.types import F32, I32, Block, Faces, Loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What leads from logits to decisions; where it is None, a file keeps its own."""

    model: Model | None = None
    """Its thresholds, smoothing and weights; it consists of the networks that made the file."""
    baseline: str | None = None
    """`none`, or `pN`."""

    def settings(self, before: dict[str, Any]) -> dict[str, Any]:
        """Return a run's settings with these decisions, as `InferSettings.numbers` has them."""
        return before if self.baseline is None else before | {"baseline_percentile": self.percentile}

    @property
    def percentile(self) -> float | None:
        """Percentile of the baseline; None where there is none."""
        return parse_baseline(self.baseline)

    def run_digest(self, header: Header) -> str:
        """Return the run digest that a file has after these decisions: that of `autrt infer` with them."""
        digest = header.model_digest if self.model is None else self.model.digest
        return run_digest(header.source.fingerprint, digest, self.settings(dict(header.settings)))

    def header(self, results: Results, command: str) -> Header:
        """Return the header of the file that replaces `results`.

        Args:
            results: the file of before.
            command: that replaces it.
        """
        before = results.header
        replaced = {
            "run_digest": results.run_digest,
            "model_name": before.model_name,
            "model_digest": before.model_digest,
            "finished_utc": results.finished_utc,
            "command": command,
        }
        header = replace(
            before,
            settings=self.settings(dict(before.settings)),
            baseline=before.baseline if self.baseline is None else self.baseline,
            recomputed=(*before.recomputed, replaced),
        )
        return header if self.model is None else _of_model(header, self.model)


def decide_anew(results: Results, target: Path, decisions: Decisions, command: str) -> Path:
    """Write a results file whose decisions are made anew; whole, verified and durable, or not at all.

    Frames, faces, people, logits and losses are those of before. The rest is what `autrt infer` with these
    decisions computes; times, versions and the header's `recomputed` alone differ from its file.

    Args:
        results: the file of before; it may be `target`.
        target: the file to write.
        decisions: see `Decisions`.
        command: stored in the header.

    Raises:
        ResultsError: the file does not hold the logits that these decisions need, a temporal network decides, the
            file is damaged, or `target` cannot be written.
        DiskFullError: no room.
    """
    _require_windows(results, decisions.model)
    logits = _Logits.of(results, decisions.model)
    header = decisions.header(results, command)
    outputs = [replace(column, output=name) for name, column in extra_columns(results).items()]
    sink = ResultsSink(
        target,
        header,
        logits.weights,
        baseline_percentile=parse_baseline(header.baseline),
        keep_members="member_logit" in results.faces,
        outputs=outputs,
        stills=results.stills(),
    )
    try:
        for block in _blocks(results, logits, outputs):
            sink.write(block)
        return sink.finish(_losses(results), results.repaired_times, _people(results))
    finally:
        sink.abandon()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Logits:
    """The logits of a file as those of a model's members."""

    results: Results
    weights: F32
    """(M, A) float32."""
    places: tuple[int | None, ...]
    """Per member, its place in the file's `member_logit`; None: no AU uses it, and the file lacks it. Empty: the
    ensemble's own logits are taken as those of one member."""

    @staticmethod
    def of(results: Results, model: Model | None) -> _Logits:
        """Choose the logits of a file for a model.

        Raises:
            ResultsError: it lacks some of them.
        """
        stored, header = "member_logit" in results.faces, results.header
        one = _Logits(results=results, weights=np.ones((1, len(header.au_names)), np.float32), places=())
        if model is None:
            if stored:
                raise file_error(
                    results.path,
                    "it holds its members' logits: name the model that weighs them (--model)",
                )
            return one
        _require_networks(results, model)
        if not stored and len(header.network_digests) > 1:
            if _with_decisions_of(model, header).digest != header.model_digest:
                raise file_error(
                    results.path,
                    f"other weights than those of model {header.model_name!r} need its members' logits, which only "
                    "`autrt infer --keep-members` stores",
                )
            return one
        old = {digest: place for place, digest in enumerate(header.network_digests)}
        return _Logits(
            results=results, weights=model.weights, places=tuple(old.get(d) for d in model.network_digests)
        )

    def rows(self, rows: slice) -> F32:
        """Return the (n, M, A) float32 logits of some rows of `/faces`.

        Raises:
            ResultsError: one that is used was never computed.
        """
        if "member_logit" in self.results.faces:
            stored = self.results.faces["member_logit", rows]
        else:
            stored = self.results.faces["logit", rows][:, None]
        if not self.places:
            return stored
        absent = np.full_like(stored[:, 0], np.nan)
        found = np.stack([absent if p is None else stored[:, p] for p in self.places], axis=1)
        if np.isnan(found[:, self.weights != 0]).any():
            raise file_error(
                self.results.path,
                "the logits of a member that these weights use were not computed: run infer",
            )
        return found


def _of_model(header: Header, model: Model) -> Header:
    return replace(
        header,
        thresholds=tuple(float(t) for t in model.thresholds),
        smoothing_windows=tuple(int(w) for w in model.smoothing_windows),
        smoothing_domain=model.smoothing_domain,
        model_name=model.name,
        model_digest=model.digest,
        member_names=tuple(m.name for m in model.members),
        network_digests=model.network_digests,
        au_grades=model.au_grades,
        au_evidence={au: graded.evidence for au, graded in model.grades.items()},
        temporal_digest="",
    )


def _with_decisions_of(model: Model, header: Header) -> Model:
    """Return a model with the thresholds and smoothing of a file."""
    return replace(
        model,
        thresholds=np.array(header.thresholds, np.float32),
        smoothing_windows=np.array(header.smoothing_windows, np.int32),
        smoothing_domain=header.smoothing_domain,
    )


def _require_windows(results: Results, model: Model | None) -> None:
    by_network = results.header.temporal_digest if model is None else model.temporal
    if by_network:
        raise file_error(
            results.path,
            "expected decisions by smoothing windows; a temporal network's need `autrt infer`",
        )


def _require_networks(results: Results, model: Model) -> None:
    header = results.header
    if model.au_names != header.au_names:
        raise file_error(
            results.path,
            f"expected a model of the AUs {', '.join(header.au_names)}, found {', '.join(model.au_names)}",
        )
    used = zip(model.members, used_members(model.weights), strict=True)
    if absent := [
        m.name for m, is_used in used if is_used and m.network_digest not in header.network_digests
    ]:
        raise file_error(
            results.path,
            f"expected a model of the networks that made it ({', '.join(header.member_names)}), found another one: "
            f"{', '.join(absent)}; its logits need `autrt infer`",
        )


def _blocks(results: Results, logits: _Logits, outputs: Sequence[Column]) -> Iterator[Block]:
    for frames, faces in results.spans():
        yield Block(
            index=results.frames["index", frames],
            pts=results.frames["pts", frames],
            time_s=results.frames["time_s", frames],
            damaged=results.damaged(frames),
            faces=Faces(**{c.field: results.faces[c.name, faces] for c in FACE_FIELDS}),
            outputs={
                "logits": logits.rows(faces),
                **{c.output: results.faces[c.name, faces] for c in outputs},
            },
        )


def _people(results: Results) -> I32:
    """Return the (T,) int32 person of each track id."""
    people = np.full(int(results.tracks["id"].max(initial=-1)) + 1, UNSURE, np.int32)
    people[results.tracks["id"]] = results.people()
    return people


def _losses(results: Results) -> list[Loss]:
    columns = (results.lost[name].tolist() for name in ("time_s", "packets", "reason"))
    return [Loss(*row) for row in zip(*columns, strict=True)]
