"""Options and commands of other tools, and their names here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ARGUMENT: Final = "PATH"
"""Stands for a command's argument in `Replacement.becomes`."""

OUT: Final = "OUT"
"""Stands for a command's argument that names what is written."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """The replacement of another tool's option."""

    becomes: str | None
    """Words to type instead, `{}` for the value where it isn't last; `ARGUMENT`, `OUT`; None: none are needed."""
    note: str
    """An explanation in a few words."""
    takes_value: bool = True
    commands: tuple[str, ...] = ()
    """Commands that it applies to; by default all that have the option."""


_INPUT = (
    Replacement("--from", "--from names the file, wheel or folder that was brought here"),
    Replacement(ARGUMENT, "inputs are named without an option"),
)
_OUT = (
    Replacement("--out", "--out names the folder for what is written"),
    Replacement("OUT", "OUT is named without an option"),
)
_WORKERS = Replacement(
    "--workers", "--workers says how many are in flight at once; by default it suits the cores"
)
_MODEL = Replacement("--model", "--model takes a packaged model's name or a model folder")
_RATE = (
    Replacement("--image-rate", "videos keep their own times; --image-rate is for folders of pictures"),
    Replacement("--rate", "--rate is the videos' frames a second"),
)
_SKIP = Replacement(
    "--detect-every", "every frame is recognised; --detect-every K detects faces on every K-th alone"
)
_CUDA = Replacement("--device cuda:{}", "--device names the GPU, or every GPU by cuda")
_CPU = Replacement("--device cpu", "--device cpu", takes_value=False)
_OVERWRITE = Replacement("--overwrite", "--overwrite does finished work again", takes_value=False)
_RESUMES = Replacement(
    None,
    "a run resumes by itself: the same command does the rest",
    takes_value=False,
    commands=("infer", "crop"),
)
_LOUD = (
    Replacement("--verbose", "--verbose", takes_value=False),
    Replacement("--progress plain", "--progress plain says a line for each video", takes_value=False),
)
_QUIET = Replacement("--progress none", "--progress none says nothing on the way", takes_value=False)
_RECURSIVE = Replacement(None, "folders are always searched with their subfolders", takes_value=False)


def _setting(key: str) -> Replacement:
    """Return the replacement of an option that is a setting of a recipe."""
    return Replacement(
        f"--set {key}={{}}", "settings of a recipe are changed by --set", commands=("train", "distill")
    )


_BATCH = (
    Replacement("--batch", "--batch is the number of rows"),
    _setting("fit.batch"),
    Replacement(
        None,
        "the batch size is chosen by itself and changes no result (`autrt build-engine --batch` builds others)",
        commands=("infer", "crop", "eval"),
    ),
)
_TABLE = Replacement(
    None,
    "infer writes one HDF5 file per video; then `autrt export DIR --format csv` (or parquet) makes tables of them",
    commands=("infer",),
)
_THRESHOLD = Replacement(
    None,
    "decisions follow the model's thresholds, which `autrt eval --calibrate` finds; probabilities are in the "
    "results too (`smoothed`), to be cut anywhere",
    commands=("infer", "crop"),
)
_OPENFACE_FLAG = Replacement(
    None, "AUs, boxes, five landmarks and tracks are always written", takes_value=False, commands=("infer",)
)
_NOT_DONE = Replacement(
    None, "neither gaze nor head pose is computed", takes_value=False, commands=("infer",)
)

OPTIONS: Final[dict[str, tuple[Replacement, ...]]] = {
    **dict.fromkeys(("f", "i", "in", "input", "inputs", "input-dir", "input-file", "file", "files"), _INPUT),
    **dict.fromkeys(("fdir", "source", "src", "path", "dir", "folder", "video", "data"), _INPUT),
    **dict.fromkeys(("o", "of", "output", "outputs", "out-dir", "output-dir", "outdir", "dest", "save-dir"), _OUT),
    **dict.fromkeys(("b", "batch-size", "batch"), _BATCH),
    **dict.fromkeys(("gpu", "gpus", "gpu-id", "cuda", "use-gpu", "use-cuda"), (_CUDA,)),
    **dict.fromkeys(("cpu", "no-cuda", "no-gpu"), (_CPU,)),
    "d": (Replacement("--device", "--device takes auto, cpu or cuda:N"),),
    **dict.fromkeys(("j", "jobs", "n-jobs", "threads", "num-workers", "num-threads", "processes"), (_WORKERS,)),
    **dict.fromkeys(("fps", "frame-rate", "framerate"), _RATE),
    **dict.fromkeys(("skip", "skip-frames", "frame-skip", "stride", "vid-stride"), (_SKIP,)),
    "format": (_TABLE,),
    **{
        kind: (
            Replacement(f"--format {kind}", "--format names the kind of table", takes_value=False),
            Replacement(None, _TABLE.note, takes_value=False, commands=("infer",)),
        )
        for kind in ("csv", "parquet")
    },
    **dict.fromkeys(("resume", "continue"), (_RESUMES,)),
    **dict.fromkeys(("force", "replace", "y", "yes"), (_OVERWRITE,)),
    **dict.fromkeys(("v", "vv", "verbose", "debug"), _LOUD),
    **dict.fromkeys(("q", "quiet", "silent", "no-progress"), (_QUIET,)),
    **dict.fromkeys(("r", "R", "recursive"), (_RECURSIVE,)),
    **dict.fromkeys(("m", "mloc", "model-path", "model-dir", "weights", "checkpoint"), (_MODEL,)),
    **dict.fromkeys(("confidence", "conf", "conf-thres", "threshold", "thresh"), (_THRESHOLD,)),
    **dict.fromkeys(("num-faces", "max-num-faces"), (Replacement("--max-faces", "--max-faces keeps the largest"),)),
    **{
        name: (Replacement(f"--precision {name}", "--precision says what networks compute in", takes_value=False),)
        for name in ("fp16", "bf16", "int8", "f32")
    },
    "half": (Replacement("--precision fp16", "--precision says what networks compute in", takes_value=False),),
    "dtype": (Replacement("--precision", "--precision says what networks compute in"),),
    "n": (Replacement("--dry-run", "--dry-run says what would be done", takes_value=False),),
    **dict.fromkeys(("aus", "2dfp", "tracked"), (_OPENFACE_FLAG,)),
    **dict.fromkeys(("gaze", "pose", "3dfp"), (_NOT_DONE,)),
    "epochs": (_setting("fit.epochs"),),
    **dict.fromkeys(("lr", "learning-rate"), (_setting("optimiser.lr"),)),
    "seed": (_setting("seed"),),
}  # fmt: skip
"""Option without its dashes, `_` as `-` → its replacements; the first that fits the command counts."""

COMMANDS: Final[dict[str, str]] = {
    **dict.fromkeys(("predict", "run", "detect", "extract", "process", "analyze", "analyse"), "infer"),
    **dict.fromkeys(("inference", "recognise", "recognize", "track", "FeatureExtraction"), "infer"),
    **dict.fromkeys(("convert", "to-csv", "csv", "dump"), "export"),
    **dict.fromkeys(("check", "validate"), "verify"),
    **dict.fromkeys(("info", "diagnose", "env", "test"), "doctor"),
    **dict.fromkeys(("evaluate", "score"), "eval"),
    **dict.fromkeys(("download", "get", "install"), "fetch"),
    **dict.fromkeys(("build", "compile", "build_engine", "optimize"), "build-engine"),
    **dict.fromkeys(("finetune", "fine-tune", "fit"), "train"),
    **dict.fromkeys(("cut", "align"), "crop"),
    **dict.fromkeys(("render", "generate"), "synth"),
    "benchmark": "bench",
}
"""Commands of other tools → ours."""
