"""A training recipe: every setting of a run, checked. `autrt_train.read_recipe` reads them from TOML files."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from autrt.aus import ABAW_AUS
from autrt.model.folder import DEFAULT_MODEL
from autrt_train.annotations.read import DataSpec, Mix
from autrt_train.loading.augment import AugmentConfig
from autrt_train.losses import LossConfig, SteadyConfig
from autrt_train.sampling.plan import SamplingConfig
from autrt_train.soft.settings import TargetSettings

Task = Literal["au", "expression", "identity"]
Positive = Annotated[int, Field(ge=1)]


def _known(kind: type) -> BeforeValidator:
    """Refuse keys that a settings dataclass does not have; pydantic alone would pass over them."""

    def check(value: Any) -> Any:
        if isinstance(value, dict):
            names = [field.name for field in fields(kind)]
            for key in cast("dict[str, Any]", value):
                if key not in names:
                    raise ValueError(f"no setting {key!r}; known: {', '.join(names)}")
        return value

    return BeforeValidator(check)


def _taken_back(value: object) -> object:
    return None if value == "none" else value


_TAKES_BACK = BeforeValidator(_taken_back)
""""none" takes back what an extended recipe says."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NetworkSettings(_Strict):
    """Which network: a preset of `autrt.model.presets`, with some of its fields changed."""

    preset: str = "paper"
    change: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Field of the preset's configuration → value."""


class StartSettings(_Strict):
    """Where the weights come from before the first step."""

    checkpoint: Annotated[str | None, _TAKES_BACK] = None
    """A file written by torch.save (an earlier run's `weights/*.pt`, a face-recognition checkpoint), a .safetensors
    file, a model's folder or a packaged model's name; "none" takes back what an extended recipe says."""
    skip: tuple[str, ...] = ()
    """Parts of the network that keep their fresh values, such as `au` where the AUs differ."""


class RenderSettings(_Strict):
    """Rendered faces that the run makes for itself, unless they are there already (`autrt synth`)."""

    rig: str = ""
    """An ICT-FaceKit clone or pack; `stand-in` for the small generated head of the tests."""
    people: Positive = 1000
    per_person: Positive = 5
    seed: int = 0
    preset: Literal["full", "clean"] = "full"
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    root: str | None = None
    """Where the set is kept; by default in the user's cache folder, under a name made of these settings."""


class DataSettings(_Strict):
    """What is trained and judged on."""

    train: tuple[DataSpec, ...] = ()
    validation: tuple[DataSpec, ...] = ()
    """Empty: a share of the training videos, whole people each."""
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    validation_most: Positive | None = None
    """Judge on so many pictures at most, evenly spaced."""
    render: Annotated[RenderSettings | None, _TAKES_BACK] = None
    """"none" takes back what an extended recipe says."""
    rendered: Mix = Mix()
    """How the faces of `render` count beside others."""


class LoaderSettings(_Strict):
    """How pictures are read and drawn."""

    name: Literal["opencv", "dali"] = "opencv"
    threads: Positive | None = None
    prefetch: Positive = 4
    """Batches drawn ahead."""
    cache_gb: Annotated[float, Field(ge=0)] = 0
    """Memory for decoded pictures, which are then read from disk only once."""


class OptimiserSettings(_Strict):
    """SGD as in the paper, or AdamW."""

    name: Literal["sgd", "adamw"] = "sgd"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    decay_norms: bool = True
    """Whether biases and normalisation layers decay too (the paper's SGD: yes)."""
    schedule: Literal["steps", "one-cycle", "constant"] = "steps"
    milestones: tuple[Positive, ...] = (4, 6, 8)
    """Epochs after whose completion the rate is divided by 10."""
    warm_up: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of all steps in which one-cycle rises."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None


class HeadSettings(_Strict):
    """Weights of what a student learns beside the AUs; 0 leaves a head untrained."""

    landmarks: Annotated[float, Field(ge=0)] = 0
    presence: Annotated[float, Field(ge=0)] = 0


class FitSettings(_Strict):
    """The loop."""

    epochs: Positive = 15
    steps: Positive | None = None
    """End after so many steps, whatever `epochs` says."""
    batch: Positive = 256
    """Pictures of one optimiser step, over all processes."""
    micro_batch: Positive | None = None
    """Pictures in memory at a time, per process; the step adds their gradients up. The result is the whole batch's
    but for BatchNorm, whose statistics are those of each micro-batch. None: the whole share at once."""
    precision: Literal["f32", "bf16", "fp16"] = "f32"
    channels_last: bool = True
    batch_norm: Literal["train", "eval", "sync"] = "train"
    """eval: statistics stay as they were; sync: over all processes (CUDA alone)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Overrides the network's own."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0
    """Decay of a running mean of the weights, which is then what is judged and kept; 0: none."""
    judge_every: Annotated[float, Field(gt=0)] = 1
    """Epochs between looks at the validation data."""
    save_every_s: Annotated[float, Field(gt=0)] = 300
    """Seconds between checkpoints within an epoch."""
    diverged_at: Annotated[float, Field(gt=1)] = 1e4
    """A loss of so many times the first steps' median ends the run."""


class DistillSettings(_Strict):
    """Learning from a teacher, beside the labels or without any.

    loss = task · the recipe's `loss` of the labels + soft · soft targets + features · feature matching, and
    what `heads` weighs. A weight of 0 switches its term off.
    """

    teacher: str = ""
    """A model's folder, an ensemble's folder, or a packaged model's name."""
    au_names: tuple[str, ...] | None = None
    """The AUs that it teaches, such as those of which the labels say little; None: all that it knows."""
    targets: tuple[TargetSettings, ...] = ()
    """What other tools say of pictures and frames, beside the teacher or without one; the first to know counts."""
    videos: tuple[Path, ...] = ()
    """Unlabelled videos: files, folders, globs. Their faces are found, cut out and trained on."""
    task: Annotated[float, Field(ge=0)] = 1
    """Weight of the recipe's `loss`, on known labels alone."""
    soft: Annotated[float, Field(ge=0)] = 1
    """Weight of the teacher's soft targets."""
    temperature: Annotated[float, Field(gt=0)] = 2
    """Of the soft targets (Hinton et al. 2015): above 1 differences among sure answers count more."""
    features: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the match with the teacher's features, where it gives any, through a learned projector."""
    engine: str = "auto"
    """That runs the teacher; as for `autrt infer`."""
    precision: str = "f32"
    """The teacher's."""
    device: str = "cpu"
    """The teacher's."""
    finder: str = DEFAULT_MODEL
    """The model with which the pipeline finds the faces of the videos."""
    every: Positive = 5
    """Cut faces out of every so many frames."""
    change: Annotated[float, Field(ge=0)] = 4
    """Leave out a crop that differs from the one before it by less than so many grey levels everywhere; 0: none."""
    crops: str | None = None
    """Where the crops of the videos are kept; by default in the user's cache folder."""

    @model_validator(mode="after")
    def _learns(self) -> Self:
        if self.task + self.soft + self.features == 0:
            raise ValueError("task, soft, features: expected a weight above 0 for some term")
        return self


class FinetuneSettings(_Strict):
    """Teaching the last layer of a finished model by labels of one's own.

    Of the other sections `augment` and `model` play a part in it, and `seed` does.
    """

    data: tuple[Path, ...] = ()
    """Label files, and folders of them."""
    videos: tuple[Path, ...] = ()
    """The videos and pictures that they are of: files, folders, globs."""
    format: str | None = None
    """table, openface, elan, boris or boris-project; None: by content."""
    start: str = DEFAULT_MODEL
    """The model that is taught: a packaged model's name, or a folder."""
    threshold: Annotated[float, Field(gt=0)] = 1
    """The code from which an AU is present."""
    every_s: Annotated[float, Field(gt=0)] = 0.2
    """Seconds between the frames that are taken of a span, and of frames with the same codes."""
    first_frame: int = 0
    """The number of a video's first frame in plain tables."""
    most: Positive = 8000
    """Frames and pictures that are learnt from; of more, so many evenly spaced ones."""
    views: Positive = 2
    """How often each picture is seen, each time varied as `augment` says but for the first."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Parts of the people that take turns in being left out."""
    least: Positive = 10
    """Positives and negatives that an AU needs to be taught; and of each there must be five people."""


class ModelSettings(_Strict):
    """What the finished model's folder says."""

    licence: str = "not stated"
    reference: Literal["validation", "noise"] = "noise"
    """Reference crops: 64 validation pictures where these may be passed on; else coloured noise."""
    calibrate: bool = True
    """Thresholds of the best F1 on the validation data; else 0.5."""
    smoothing_windows: dict[str, Positive] = Field(default_factory=dict[str, Positive])
    """AU → frames at 30 frames/s; the paper's authors' windows for the others."""


class Recipe(_Strict):
    """One run."""

    about: str
    cost: str = ""
    """Size and time, for the list."""
    task: Task = "au"
    au_names: tuple[str, ...] = ABAW_AUS
    seed: int = 0
    network: NetworkSettings = NetworkSettings()
    start: StartSettings = StartSettings()
    data: DataSettings = DataSettings()
    sampling: Annotated[SamplingConfig, _known(SamplingConfig)] = Field(default_factory=SamplingConfig)
    augment: Annotated[AugmentConfig, _known(AugmentConfig)] = Field(default_factory=AugmentConfig)
    loader: LoaderSettings = LoaderSettings()
    loss: Annotated[LossConfig, _known(LossConfig)] = Field(default_factory=LossConfig)
    heads: HeadSettings = HeadSettings()
    steady: Annotated[SteadyConfig, _known(SteadyConfig)] = Field(default_factory=SteadyConfig)
    """Seeing some pictures twice, so that answers don't hang on how a crop is placed."""
    optimiser: OptimiserSettings = OptimiserSettings()
    fit: FitSettings = FitSettings()
    model: ModelSettings = ModelSettings()
    distill: DistillSettings | None = None
    """None: no teacher."""
    finetune: FinetuneSettings | None = None
    """Set: a finished model's last layer is taught, and nothing else is trained."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.fit.micro_batch is not None and self.fit.micro_batch > self.fit.batch:
            raise ValueError("fit.micro_batch: expected at most fit.batch")
        if strange := [name for name in self.model.smoothing_windows if name not in self.au_names]:
            raise ValueError(f"model.smoothing_windows: {strange[0]} is none of the AUs that are trained")
        asked = None if self.distill is None else self.distill.au_names
        if asked is not None and (strange := [name for name in asked if name not in self.au_names]):
            raise ValueError(f"distill.au_names: {strange[0]} is none of the AUs that are trained")
        mixes = (*self.data.train, self.data.rendered)
        if self.loss.zlpr and any(mix.weight != 1 or mix.weights for mix in mixes):
            raise ValueError("loss.zlpr: compares a picture's AUs: expected 0 where a source states weights")
        if self.steady.weight and self.task != "au":
            raise ValueError(f"steady.weight: compares AU logits: expected 0 for the task {self.task!r}")
        if self.distill is not None and self.finetune is not None:
            raise ValueError("distill: finetuning learns from labels alone and has no teacher")
        if self.distill is not None and self.task != "au":
            raise ValueError(f"distill: a teacher teaches AUs: expected the task 'au', found {self.task!r}")
        return self
