"""`autrt infer`: the main job."""

from __future__ import annotations

from typing import Any, get_args

import click

from autrt.cli.command_line import typed_command
from autrt.cli.ending import finish, run_plan
from autrt.cli.interrupted import explain_interrupt
from autrt.cli.paths import AnyPlace, LocalPath, NameOrPath
from autrt.cli.values import BaselineType, FractionType, ShardType, SizeType, SplitType
from autrt.console import Mode
from autrt.console.formatting import duration, size
from autrt.errors import UsageError
from autrt.model.folder import DEFAULT_MODEL, MAX_QUALITY_MODEL
from autrt.run.options import InferOptions
from autrt.run.plan import InferPlan, PlannedVideo
from autrt.run.predicted_cost import PredictedCost, predict
from autrt.settings import MAX_PIXELS, StillFiles
from autrt.storage.escape import escape
from autrt.storage.remote_url import Location


@click.command()
@click.argument("paths", nargs=-1, type=AnyPlace())
@click.option(
    "--videos",
    multiple=True,
    type=AnyPlace(),
    help="A further file, folder or glob; also s3://, gs://, az://, https:// (docs/cloud.md).",
)
@click.option(
    "--out", required=True, type=AnyPlace(), help="Folder for the results; also s3://, gs://, az://."
)
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
    "--detect-every",
    type=click.IntRange(1),
    help="Search for faces on every K-th frame (default: every 0.2 s).",
)
@click.option("--max-faces", type=click.IntRange(1), help="Keep the largest faces of each frame only.")
@click.option(
    "--image-rate",
    type=FractionType(),
    default="30",
    show_default=True,
    help="Pictures a second of folders and TIFFs.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=MAX_PIXELS,
    show_default=True,
    help="Refuse larger pictures: a few kilobytes can hold one that takes gigabytes.",
)
@click.option(
    "--shard",
    type=ShardType(),
    help="I/N: do the I-th of N shares, by --plan or a hash of each path; auto: that of this task of a Slurm job "
    "array or an indexed Kubernetes job.",
)
@click.option(
    "--plan", type=LocalPath(), help="Videos and shares that `autrt plan` wrote, in place of PATHS."
)
@click.option("--keep-members", is_flag=True, help="Also store each ensemble member's logits.")
@click.option(
    "--features", is_flag=True, help="Also store each face's features, as float16: see docs/results.md."
)
@click.option(
    "--baseline",
    "baseline_percentile",
    type=BaselineType(),
    default="none",
    help="pN: subtract each person's neutral face, the N-th percentile of the logits of a track of at least 5 s.",
)
@click.option(
    "--quality-weighted",
    is_flag=True,
    help="Weigh frames by the face's quality where they are smoothed (docs/results.md): not shown to help.",
)
@click.option(
    "--aligned",
    is_flag=True,
    help="Every picture is an aligned crop already (autrt crop, Aff-Wild2's cropped_aligned): search for no face.",
)
@click.option(
    "--template",
    help="--aligned: the alignment that the crops follow; it must be the model's.  [default: the model's]",
)
@click.option(
    "--stills",
    type=click.Choice(get_args(StillFiles)),
    default="each",
    show_default=True,
    help="Write a results file for each picture, or one for all pictures of a folder, which is faster.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Videos in flight at once; 1: in one process (default: by the cores). With --ray: on each node.",
)
@click.option(
    "--ray",
    metavar="auto|HOST:PORT",
    help="Have a Ray cluster do the videos, of which all nodes see the same files: see docs/scale.md.",
)
@click.option(
    "--cache-size",
    type=SizeType(),
    help="Most that copies of remote videos take on this machine, such as 500MB.  "
    "[default: 20GB, or half of what is free]",
)
@click.option(
    "--split",
    "split_s",
    type=SplitType(),
    help="Do videos of twice this length or more (15m, 1h) in sections side by side; the results are the same.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--overwrite", is_flag=True, help="Do finished videos again, with these settings.")
@click.option(
    "--trust-fingerprint",
    is_flag=True,
    help="Compare only the first and last MiB of finished videos with a new time of change, not all bytes.",
)
@click.option("--offline", is_flag=True, help="Never use the network; fail if something is not there yet.")
@click.option(
    "--progress", default="auto", show_default=True, type=click.Choice(["auto", "plain", "json", "none"])
)
def command(
    paths: tuple[Location, ...],
    videos: tuple[Location, ...],
    out: Location,
    dry_run: bool,
    progress: Mode,
    **options: Any,
) -> None:
    """Recognise Action Units in videos: files, folders and globs in PATHS and --videos.

    Every video gets one HDF5 file in the output folder, under its own path relative to its input folder. A picture
    is done as a video of one frame, and a folder of numbered pictures (00001.jpg, …) as one video. A run can be
    stopped and started again at any time: what is finished is not done twice.

    Exit codes: 0 all done; 1 an unexpected error or a full disk; 2 wrong usage; 3 some videos failed (listed,
    with reasons, and in the manifest); 130 interrupted; 143 terminated.
    """
    if not paths and not videos and options["plan"] is None:
        raise UsageError(
            "no input: name files, folders or globs of videos, e.g. `autrt infer --videos DIR --out OUT`"
        )
    with explain_interrupt():
        plan = InferPlan(InferOptions(inputs=(*paths, *videos), out=out, command=typed_command(), **options))
        if dry_run:
            _print_plan(plan)
            return
        summary = run_plan(plan, progress)
    finish(summary, quiet=progress == "json")


def _print_plan(plan: InferPlan) -> None:
    n = total_s = todo_s = 0
    for video in plan.videos():
        n += 1
        length_s = (video.info.duration_s or 0.0) if video.info else 0.0
        total_s += length_s
        todo_s += length_s * video.todo
        click.echo(_planned_line(video, aligned=plan.options.aligned))
    for note in plan.notes:
        click.echo(note)
    if refusal := plan.refusal:
        click.echo(f"Without --dry-run this stops: {refusal}")
    click.echo(f"{n} videos, {duration(total_s)}; {len(plan.todo)} to do; engine {plan.job.settings.engine}")
    click.echo(_prediction(predict(plan.job.out, len(plan.todo), todo_s)))


def _prediction(cost: PredictedCost) -> str:
    wall = "time unknown: nothing is measured in this folder yet (do a few videos first)"
    if cost.wall_s is not None:
        wall = f"about {duration(cost.wall_s)} at the speed of the last run here"
    results = f"about {size(cost.results_bytes)} of results, {size(cost.free_bytes)} are free"
    return f"to do: {duration(cost.video_s)} of video; {wall}; {results}"


def _planned_line(video: PlannedVideo, *, aligned: bool) -> str:
    words = {"missing": "to do", "touched": "check"}
    word = words.get(video.state, "again") if video.todo else "done"
    facts, interval = (
        f"unreadable: {escape(video.error)}" if video.error else "not opened before its turn",
        "",
    )
    if (info := video.info) is not None:
        facts = (
            f"{info.codec} {info.width}×{info.height} {float(info.rate):.4g}/s {info.duration_s or 0:.1f} s"
        )
        every = video.detect_every
        interval = "detection on every frame" if every == 1 else f"detection every {every} frames"
        if aligned:
            interval = "aligned crops"
    return f"{word:6} {escape(video.source.relative)}  [{facts}] {interval} → {escape(str(video.target))}"
