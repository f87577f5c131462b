"""`autrt infer`: the main job."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from autrt import __version__
from autrt.check import require
from autrt.cli.ending import Ending
from autrt.cli.paths import LocalPath, NameOrPath
from autrt.cli.resumption import Resumption
from autrt.console import Mode, Reporter, make_reporter
from autrt.download.fetch import fetch
from autrt.engine.devices import devices_of
from autrt.engine.open import faster_by, resolve_engine, resolve_precision
from autrt.errors import AutrtError, UsageError
from autrt.grades import grade_line
from autrt.machine import available_cores
from autrt.model.folder import DEFAULT_MODEL, MAX_QUALITY_MODEL, Model, load_model
from autrt.pipeline.networks import Networks
from autrt.pipeline.open_networks import DETECTOR_FILE, detection_digest, open_networks
from autrt.results.names import results_path
from autrt.run.claim import claim
from autrt.run.index import ResultsIndex
from autrt.run.job import Job
from autrt.run.plan import RunPlan
from autrt.run.run import Run, Split, Summary, split_finished
from autrt.run.shard import Shard
from autrt.settings import InferSettings
from autrt.storage.atomic_file import sweep
from autrt.storage.escape import escape
from autrt.types import Source
from autrt.video.discover import discover
from autrt.video.probe import probe

COMPUTING_PACKAGES = ("numpy", "av", "opencv-python-headless", "onnxruntime", "openvino", "h5py", "lap")


class FractionType(click.ParamType):
    """A positive rate such as 30, 29.97 or 30000/1001."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """The rate as an exact fraction."""
        try:
            rate = Fraction(value)
        except (ValueError, ZeroDivisionError):
            rate = Fraction(0)
        if rate <= 0:
            self.fail(
                f"expected a positive rate such as 30, 29.97 or 30000/1001, found {value!r}", param, ctx
            )
        return rate


class BaselineType(click.ParamType):
    """`none`, or `pN`: the N-th percentile of a person's logits."""

    name = "none|pN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """The percentile, or None."""
        if value is None or isinstance(value, float) or value == "none":
            return None if value == "none" else value
        try:
            percentile = float(str(value).removeprefix("p"))
        except ValueError:
            percentile = -1
        if not str(value).startswith("p") or not 0 <= percentile <= 100:
            self.fail(f"expected none, or pN with N from 0 to 100 such as p20, found {value!r}", param, ctx)
        return percentile


@click.command()
@click.argument("paths", nargs=-1, type=LocalPath())
@click.option("--videos", multiple=True, type=LocalPath(), help="A further file, folder or glob.")
@click.option("--out", required=True, type=LocalPath(), help="Folder for the results.")
@click.option(
    "--model",
    type=NameOrPath(),
    help="A packaged model's name, or a model folder.  "
    f"[default: {DEFAULT_MODEL}; {MAX_QUALITY_MODEL} for --quality max]",
)
@click.option("--engine", default="auto", show_default=True, help="auto, or as for `autrt build-engine`.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda:N, or cuda for every GPU.")
@click.option(
    "--precision",
    default="auto",
    show_default=True,
    help="f32; where there are, bf16, fp16, int8. auto: f32, with --quality fast bf16 where the CPU has it.",
)
@click.option(
    "--quality",
    default="balanced",
    show_default=True,
    type=click.Choice(["max", "balanced", "fast"]),
    help="max: averages each face and its mirror image, searches for faces every 4 frames or closer; balanced: "
    "every 0.2 s; fast: every 0.4 s, in bfloat16 where the CPU has it.",
)
@click.option(
    "--detect-every", type=click.IntRange(1), help="Search for faces on every K-th frame (default: 0.2 s)."
)
@click.option("--max-faces", type=click.IntRange(1), help="Keep the largest faces of each frame only.")
@click.option(
    "--image-rate", type=FractionType(), default="30", show_default=True, help="Pictures a second of folders."
)
@click.option("--shard", help="I/N: do the I-th of N shares, by a hash of each path.")
@click.option("--keep-members", is_flag=True, help="Also store each ensemble member's logits.")
@click.option(
    "--baseline", type=BaselineType(), default="none", help="pN: subtract each person's neutral face."
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Videos in flight at once; 1: in one process (default: by the cores).",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--overwrite", is_flag=True, help="Do finished videos again, with these settings.")
@click.option("--offline", is_flag=True, help="Never use the network; fail if something is not there yet.")
@click.option(
    "--progress", default="auto", show_default=True, type=click.Choice(["auto", "plain", "json", "none"])
)
def command(
    paths: tuple[Path, ...],
    videos: tuple[Path, ...],
    out: Path,
    model: str | None,
    engine: str,
    device: str,
    precision: str,
    shard: str | None,
    workers: int | None,
    dry_run: bool,
    overwrite: bool,
    offline: bool,
    progress: Mode,
    **numbers: Any,
) -> None:
    """Recognise Action Units in videos: files, folders and globs in PATHS and --videos.

    Every video gets one HDF5 file in the output folder, under its own path relative to its input folder. A run
    can be stopped and started again at any time: what is finished is not done twice.

    Exit codes: 0 all done; 1 an unexpected error or a full disk; 2 wrong usage; 3 some videos failed (listed,
    with reasons, and in the manifest); 130 interrupted; 143 terminated.
    """
    if not paths and not videos:
        raise UsageError(
            "no input: name files, folders or globs of videos, e.g. `autrt infer --videos DIR --out OUT`"
        )
    share = Shard.parse(shard) if shard else None
    engine, device = resolve_engine(engine, device, None if overwrite else _engine_before(out))
    devices = devices_of(device)
    settings = InferSettings(
        engine=engine,
        precision=resolve_precision(precision, engine, fast=numbers["quality"] == "fast"),
        device=devices[0],
        baseline_percentile=numbers.pop("baseline"),
        **numbers,
    )
    job = Job(
        out,
        load_model(model or (MAX_QUALITY_MODEL if settings.quality == "max" else DEFAULT_MODEL)),
        settings,
        detection_digest(),
        _versions(),
        _command_line(),
        available_cores(),
    )
    require("decode")
    sources = [s for s in discover([*paths, *videos], out) if share is None or share.holds(s.relative)]
    index = ResultsIndex.read(out)
    split = split_finished(sources, job, overwrite, index)
    resumption = _resume(job, split, [*paths, *videos], share)
    if dry_run:
        _print_plan(job, split, resumption)
        return
    if refusal := resumption.refusal():
        raise UsageError(refusal)
    todo, done = split.todo, split.done
    reporter, ending = make_reporter(progress), Ending(job, len(todo), len(done), overwrite)
    with closing(reporter), ExitStack() as opened:
        for note in resumption.notes():
            reporter.say(note)
        if todo and precision == "auto" and settings.quality == "fast" and (advice := faster_by(engine)):
            reporter.say(advice)
        networks = _open(opened, job, devices, offline, reporter) if todo else []
        if todo:
            _require_some(todo)
        _claim(opened, resumption)  # only now: a mistake above must not have touched the folder
        index.save(out, share)
        reporter.begin(len(todo), skipped=len(done))
        reporter.conclude(ending.facts(None))
        summary = Run(job, networks, reporter, share).run(todo, workers) if todo else Summary()
        reporter.conclude(ending.facts(summary))
    if summary.outcomes and progress != "json":
        _tell_grades(job.model)
    _finish(summary, ending, progress)


def _require_some(sources: Sequence[Source]) -> None:
    """Refuse a run of which nothing exists: a name was mistyped. Among others a missing video is one that fails."""
    if not any(os.path.lexists(source.path) for source in sources):
        names = ", ".join(escape(str(source.path)) for source in sources[:3])
        raise UsageError(f"no such file or folder: {names}{', …' if len(sources) > 3 else ''}")


def _tell_grades(model: Model) -> None:
    """Name the AUs that can be trusted, and those that can't."""
    if line := grade_line(model.au_names, model.au_grades):
        click.echo(f"AUs: {line} (docs/models.md)", err=True)


def _open(
    opened: ExitStack, job: Job, devices: Sequence[str], offline: bool, reporter: Reporter
) -> list[Networks]:
    """The networks, once for each device."""
    fetch(DETECTOR_FILE, offline=offline, report=reporter.say)
    return [
        opened.enter_context(
            closing(open_networks(job.model, replace(job.settings, device=device), job.threads))
        )
        for device in devices
    ]


def _engine_before(out: Path) -> str | None:
    """The engine of the results that lie in the output folder."""
    plan = RunPlan.read(out)
    return None if plan is None else plan.settings.get("engine")


def _versions() -> dict[str, str]:
    """Versions of the packages that compute, of those that are installed as wheels."""
    found = {"autrt": __version__, "python": platform.python_version()}
    for name in COMPUTING_PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _command_line() -> str:
    return shlex.join(["autrt", *sys.argv[1:]])


def _resume(job: Job, split: Split, inputs: Sequence[Path], share: Shard | None) -> Resumption:
    """This run, and what it finds in its folder; nothing is touched."""
    if job.out.exists() and not job.out.is_dir():
        raise UsageError(f"--out {job.out}: expected a folder, found a file")
    named = sorted(str(path.absolute()) for path in inputs)
    settings = {"model": job.model.digest, **job.numbers}
    about = {"model_name": job.model.name, "versions": job.versions, "command": job.command}
    plan = RunPlan(settings, about, named if split.overwrite else ())
    return Resumption(job.out, plan, RunPlan.read(job.out), split, named, share is not None)


def _claim(opened: ExitStack, run: Resumption) -> None:
    """Make the output folder this run's: its plan agrees, what crashed runs left is gone."""
    if run.split.todo or run.found is None:
        opened.enter_context(closing(claim(run.out, run.plan, sharded=run.sharded, found=run.found)))
        sweep(run.out)


def _print_plan(job: Job, split: Split, resumption: Resumption) -> None:
    total_s = 0.0
    for source, state in split.states:
        todo = "to do" if state == "missing" else "again"
        word = "done" if state == "finished" and not split.overwrite else todo
        try:
            info = probe(source, image_rate=job.settings.image_rate)
            total_s += info.duration_s or 0.0
            facts = f"{info.codec} {info.width}×{info.height} {float(info.rate):.4g}/s {info.duration_s or 0:.1f} s"
            k = f"K={job.settings.detection_interval(info.rate)}"
        except AutrtError as error:
            facts, k = f"unreadable: {escape(str(error))}", ""
        target = results_path(job.out, source.relative)
        click.echo(f"{word:6} {escape(source.relative)}  [{facts}] {k} → {escape(str(target))}")
    for note in resumption.notes():
        click.echo(note)
    if refusal := resumption.refusal():
        click.echo(f"Without --dry-run this stops: {refusal}")
    click.echo(
        f"{len(split.states)} videos, {total_s / 60:.1f} minutes; {len(split.todo)} to do; "
        f"engine {job.settings.engine}"
    )


def _finish(summary: Summary, ending: Ending, progress: Mode) -> None:
    """The run's last lines, and its exit code."""
    if progress != "json":
        ending.show(summary)
    if summary.fatal is not None and summary.signal is None:
        raise summary.fatal
    if summary.exit_code:
        raise SystemExit(summary.exit_code)
