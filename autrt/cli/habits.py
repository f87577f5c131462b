"""What users of other tools type by habit, and what it is called here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ARGUMENT: Final = "PATH"
"""Stands for a command's argument in `Habit.becomes`."""

OUT: Final = "OUT"
"""Stands for a command's argument that names what is written."""


@dataclass(frozen=True, slots=True)
class Habit:
    """An option of other tools."""

    becomes: str | None
    """Words to type instead, `{}` for the value where it isn't last; `ARGUMENT`, `OUT`; None: nothing."""
    note: str
    """Why, in a few words."""
    takes_value: bool = True
    commands: tuple[str, ...] = ()
    """Where it applies; by default wherever there is such an option."""


_INPUT = (
    Habit("--from", "--from names the file, wheel or folder that was brought here"),
    Habit(ARGUMENT, "inputs are named without an option"),
)
_OUT = (
    Habit("--out", "--out names the folder for what is written"),
    Habit("OUT", "OUT is named without an option"),
)
_WORKERS = Habit("--workers", "--workers says how many are in flight at once; by default it suits the cores")
_MODEL = Habit("--model", "--model takes a packaged model's name or a model folder")
_RATE = (
    Habit("--image-rate", "videos keep their own times; --image-rate is for folders of pictures"),
    Habit("--rate", "--rate is the videos' frames a second"),
)
_SKIP = Habit(
    "--detect-every", "every frame is judged; --detect-every K searches for faces on every K-th alone"
)
_CUDA = Habit("--device cuda:{}", "--device names the GPU, or every GPU by cuda")
_CPU = Habit("--device cpu", "--device cpu", takes_value=False)
_OVERWRITE = Habit("--overwrite", "--overwrite does finished work again", takes_value=False)
_RESUMES = Habit(
    None,
    "a run resumes by itself: the same command does the rest",
    takes_value=False,
    commands=("infer", "crop"),
)
_LOUD = (
    Habit("--verbose", "--verbose", takes_value=False),
    Habit("--progress plain", "--progress plain says a line for each video", takes_value=False),
)
_QUIET = Habit("--progress none", "--progress none says nothing on the way", takes_value=False)
_RECURSIVE = Habit(None, "folders are always searched with their subfolders", takes_value=False)


def _setting(key: str) -> Habit:
    """A setting of a recipe."""
    return Habit(
        f"--set {key}={{}}", "settings of a recipe are changed by --set", commands=("train", "distill")
    )


_BATCH = (
    Habit("--batch", "--batch is the number of rows"),
    _setting("fit.batch"),
    Habit(
        None,
        "the batch size is chosen by itself and changes no result (`autrt build-engine --batch` builds others)",
        commands=("infer", "crop", "eval"),
    ),
)
_TABLE = Habit(
    None,
    "infer writes one HDF5 file per video; then `autrt export DIR --format csv` (or parquet) makes tables of them",
    commands=("infer",),
)
_THRESHOLD = Habit(
    None,
    "decisions follow the model's thresholds, which `autrt eval --calibrate` finds; probabilities are in the "
    "results too (`smoothed`), to be cut anywhere",
    commands=("infer", "crop"),
)
_OPENFACE_FLAG = Habit(
    None, "AUs, boxes, five landmarks and tracks are always written", takes_value=False, commands=("infer",)
)
_NOT_DONE = Habit(None, "neither gaze nor head pose is computed", takes_value=False, commands=("infer",))

OPTIONS: Final[dict[str, tuple[Habit, ...]]] = {
    **dict.fromkeys(("f", "i", "in", "input", "inputs", "input-dir", "input-file", "file", "files"), _INPUT),
    **dict.fromkeys(("fdir", "source", "src", "path", "dir", "folder", "video", "data"), _INPUT),
    **dict.fromkeys(("o", "of", "output", "outputs", "out-dir", "output-dir", "outdir", "dest", "save-dir"), _OUT),
    **dict.fromkeys(("b", "batch-size", "batch"), _BATCH),
    **dict.fromkeys(("gpu", "gpus", "gpu-id", "cuda", "use-gpu", "use-cuda"), (_CUDA,)),
    **dict.fromkeys(("cpu", "no-cuda", "no-gpu"), (_CPU,)),
    "d": (Habit("--device", "--device takes auto, cpu or cuda:N"),),
    **dict.fromkeys(("j", "jobs", "n-jobs", "threads", "num-workers", "num-threads", "processes"), (_WORKERS,)),
    **dict.fromkeys(("fps", "frame-rate", "framerate"), _RATE),
    **dict.fromkeys(("skip", "skip-frames", "frame-skip", "stride", "vid-stride"), (_SKIP,)),
    "format": (_TABLE,),
    **{
        kind: (
            Habit(f"--format {kind}", "--format names the kind of table", takes_value=False),
            Habit(None, _TABLE.note, takes_value=False, commands=("infer",)),
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
    **dict.fromkeys(("num-faces", "max-num-faces"), (Habit("--max-faces", "--max-faces keeps the largest"),)),
    **{
        name: (Habit(f"--precision {name}", "--precision says what networks compute in", takes_value=False),)
        for name in ("fp16", "bf16", "int8", "f32")
    },
    "half": (Habit("--precision fp16", "--precision says what networks compute in", takes_value=False),),
    "dtype": (Habit("--precision", "--precision says what networks compute in"),),
    "n": (Habit("--dry-run", "--dry-run says what would be done", takes_value=False),),
    **dict.fromkeys(("aus", "2dfp", "tracked"), (_OPENFACE_FLAG,)),
    **dict.fromkeys(("gaze", "pose", "3dfp"), (_NOT_DONE,)),
    "epochs": (_setting("fit.epochs"),),
    **dict.fromkeys(("lr", "learning-rate"), (_setting("optimiser.lr"),)),
    "seed": (_setting("seed"),),
}  # fmt: skip
"""An option's name without its dashes, `_` as `-` → what it is here; the first that fits the command counts."""

COMMANDS: Final[dict[str, str]] = {
    **dict.fromkeys(("predict", "run", "detect", "extract", "process", "analyze", "analyse"), "infer"),
    **dict.fromkeys(("inference", "recognise", "recognize", "track", "FeatureExtraction"), "infer"),
    **dict.fromkeys(("convert", "to-csv", "csv", "dump"), "export"),
    **dict.fromkeys(("check", "validate"), "verify"),
    **dict.fromkeys(("info", "diagnose", "status", "env", "test"), "doctor"),
    **dict.fromkeys(("evaluate", "score"), "eval"),
    **dict.fromkeys(("download", "get", "install"), "fetch"),
    **dict.fromkeys(("build", "compile", "build_engine", "optimize"), "build-engine"),
    **dict.fromkeys(("finetune", "fine-tune", "fit"), "train"),
    **dict.fromkeys(("cut", "align"), "crop"),
    **dict.fromkeys(("render", "generate"), "synth"),
    "benchmark": "bench",
}
"""Commands of other tools → ours."""
