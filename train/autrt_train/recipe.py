"""Training recipes: all settings of a run, validated. `autrt_train.read_recipe` reads them from TOML files."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BeforeValidator, Field, model_validator

from autrt.aus import ABAW_AUS
from autrt.model.folder import DEFAULT_MODEL
from autrt_train.annotations.read import DataSpec, Mix
from autrt_train.fit_settings import FitSettings, LoaderSettings, OptimiserSettings, Positive, Strict
from autrt_train.loading.augment import AugmentConfig
from autrt_train.losses import LossConfig, StabilityConfig
from autrt_train.sampling.plan import SamplingConfig
from autrt_train.soft.settings import TargetSettings

Task = Literal["au", "expression", "identity"]


def _known(kind: type) -> BeforeValidator:
    """Refuse keys that a settings dataclass does not have; pydantic alone would ignore them."""

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
"""Validator that turns "none" into None, which resets a value of an extended recipe."""


class NetworkSettings(Strict):
    """Network: a preset of `autrt.model.presets`, with some of its fields changed."""

    preset: str = "paper"
    change: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Field of the preset's configuration → value."""


class StartSettings(Strict):
    """Initial weights."""

    checkpoint: Annotated[str | None, _TAKES_BACK] = None
    """A file written by torch.save (an earlier run's `weights/*.pt`, a face-recognition checkpoint), a
    .safetensors file, a model's folder or a packaged model's name; "none" resets the value of an extended
    recipe."""
    skip: tuple[str, ...] = ()
    """Parts of the network that keep their random initialisation, such as `au` where the AUs differ."""


class RenderSettings(Strict):
    """Rendered faces of `autrt synth` that the run renders for itself, unless they exist already."""

    rig: str = ""
    """An ICT-FaceKit clone or pack; `stand-in` for the small generated head used in tests."""
    people: Positive = 1000
    per_person: Positive = 5
    seed: int = 0
    preset: Literal["full", "clean"] = "full"
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    root: str | None = None
    """Folder of the set; by default in the user's cache folder, under a name made of these settings."""


class DataSettings(Strict):
    """Training and validation data."""

    train: tuple[DataSpec, ...] = ()
    validation: tuple[DataSpec, ...] = ()
    """Empty: a share of the training videos, with whole people on either side."""
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    validation_most: Positive | None = None
    """Largest number of validation pictures; of more, evenly spaced ones are taken."""
    image_rate: Annotated[Annotated[float, Field(gt=0)] | None, _TAKES_BACK] = None
    """Frames per second of the validation pictures, where they are consecutive frames of videos: their logits are
    then smoothed for scores. None: they have no order in time."""
    render: Annotated[RenderSettings | None, _TAKES_BACK] = None
    """"none" resets the value of an extended recipe."""
    rendered: Mix = Mix()
    """Weight of the faces of `render` beside other sources."""


class HeadSettings(Strict):
    """Loss weights of a student's landmark and presence heads; 0 leaves a head untrained."""

    landmarks: Annotated[float, Field(ge=0)] = 0
    presence: Annotated[float, Field(ge=0)] = 0


class DistillSettings(Strict):
    """Learning from a teacher, in addition to labels or without any.

    loss = task · the recipe's `loss` of the labels + soft · soft targets + features · feature matching + the
    terms of `heads`. A weight of 0 switches its term off.
    """

    teacher: str = ""
    """A model's folder, an ensemble's folder, or a packaged model's name."""
    au_names: tuple[str, ...] | None = None
    """AUs with soft targets of the teacher, such as those with few labels; None: all AUs of the teacher."""
    targets: tuple[TargetSettings, ...] = ()
    """Soft targets of other tools, beside the teacher or without one; the first tool that knows an AU counts."""
    videos: tuple[Path, ...] = ()
    """Unlabelled videos: files, folders, globs. Their faces are detected, cropped and trained on."""
    task: Annotated[float, Field(ge=0)] = 1
    """Weight of the recipe's `loss`, over known labels only."""
    soft: Annotated[float, Field(ge=0)] = 1
    """Weight of the teacher's soft targets."""
    temperature: Annotated[float, Field(gt=0)] = 2
    """Of the soft targets (Hinton et al. 2015); above 1, differences between confident outputs count more."""
    features: Annotated[float, Field(ge=0)] = 0.1
    """Weight of matching the teacher's features, if it has any, through a learned projector."""
    engine: str = "auto"
    """Engine that runs the teacher, as for `autrt infer`."""
    precision: str = "f32"
    """Precision of the teacher's engine."""
    device: str = "cpu"
    """Device of the teacher's engine."""
    finder: str = DEFAULT_MODEL
    """Model with which the pipeline detects the faces in the videos."""
    every: Positive = 5
    """Frames between the frames that faces are cropped from."""
    change: Annotated[float, Field(ge=0)] = 4
    """Grey levels by which consecutive crops of a track must differ somewhere, else the later one is left out."""
    crops: str | None = None
    """Folder of the videos' crops; by default in the user's cache folder."""

    @model_validator(mode="after")
    def _learns(self) -> Self:
        if self.task + self.soft + self.features == 0:
            raise ValueError("task, soft, features: expected a weight above 0 for some term")
        return self


class FinetuneSettings(Strict):
    """Training of a finished model's last layer on the user's own labels.

    Of the other settings only `augment`, `model` and `seed` are used.
    """

    data: tuple[Path, ...] = ()
    """Label files, and folders of label files."""
    videos: tuple[Path, ...] = ()
    """The labelled videos and pictures: files, folders, globs."""
    format: str | None = None
    """table, openface, elan, boris or boris-project; None: detected from the content."""
    start: str = DEFAULT_MODEL
    """The model to start from: a packaged model's name, or a folder."""
    threshold: Annotated[float, Field(gt=0)] = 1
    """Smallest intensity code that counts as present."""
    every_s: Annotated[float, Field(gt=0)] = 0.2
    """Seconds between the frames taken from a span, and from a stretch of frames with the same codes."""
    first_frame: int = 0
    """The number of a video's first frame in plain tables."""
    most: Positive = 8000
    """Largest number of frames and pictures; of more, evenly spaced ones are taken."""
    views: Positive = 2
    """Views of each picture: the first as it is, the others augmented as `augment` says."""
    steady: Annotated[float, Field(ge=0)] = 0
    """Weight of the squared change of a logit as the crop is moved as section `steady` says, where the picture's
    cross entropy has weight 1; 0: no crop is moved."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of the cross-validation over people."""
    least: Positive = 10
    """Positives and negatives that an AU needs to be trained; each from at least five people."""


class SequenceData(Strict):
    """Results files of `autrt infer`, and labels of their videos."""

    results: tuple[Path, ...] = ()
    """Folders of results, or single files."""
    labels: tuple[DataSpec, ...] = ()
    """Labels, as `autrt eval` reads them."""


class TemporalSettings(Strict):
    """Training of a temporal network for a finished model, whose own networks stay as they are.

    Of the other settings only `loss` and `seed` are used.
    """

    train: SequenceData = SequenceData()
    validation: SequenceData = SequenceData()
    """Empty: a share of the training videos, with whole people on either side."""
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    start: str = DEFAULT_MODEL
    """The model that computed the results: a packaged model's name, or a folder."""
    kind: Literal["tcn", "transformer"] = "tcn"
    change: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Field of `autrt.model.temporal.TemporalConfig` → value."""
    features: bool = True
    """See the features that results made with `--features` have; else the logits alone."""
    window_s: Annotated[float, Field(gt=0)] = 8
    """Length of the stretches of time that it learns from."""
    batch: Positive = 16
    """Stretches of time in one step."""
    epochs: Positive = 60
    patience: Positive = 10
    """Epochs without a better validation loss after which training ends."""
    lr: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.05


class ModelSettings(Strict):
    """Metadata and calibration of the finished model's folder."""

    licence: str = "not stated"
    reference: Literal["validation", "noise"] = "noise"
    """Reference crops: 64 validation pictures where these may be redistributed; else coloured noise."""
    calibrate: bool = True
    """Use the thresholds of the best F1 on the validation data; else 0.5."""
    smoothing_windows: dict[str, Positive] = Field(default_factory=dict[str, Positive])
    """AU → frames at 30 frames/s; the paper's authors' windows for the others."""


class Recipe(Strict):
    """All settings of one training run."""

    about: str
    cost: str = ""
    """Size and time, for the list of recipes."""
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
    steady: Annotated[StabilityConfig, _known(StabilityConfig)] = Field(default_factory=StabilityConfig)
    """Stability training: some pictures are seen a second time, placed a little differently."""
    optimiser: OptimiserSettings = OptimiserSettings()
    fit: FitSettings = FitSettings()
    model: ModelSettings = ModelSettings()
    distill: DistillSettings | None = None
    """None: no teacher."""
    finetune: FinetuneSettings | None = None
    """If set, a finished model's last layer is trained and nothing else."""
    temporal: TemporalSettings | None = None
    """If set, a temporal network is trained for a finished model and nothing else."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.fit.micro_batch is not None and self.fit.micro_batch > self.fit.batch:
            raise ValueError("fit.micro_batch: expected at most fit.batch")
        if strange := [name for name in self.model.smoothing_windows if name not in self.au_names]:
            raise ValueError(f"model.smoothing_windows: {strange[0]} is none of the AUs that are trained")
        taught_aus = None if self.distill is None else self.distill.au_names
        if taught_aus is not None and (strange := [name for name in taught_aus if name not in self.au_names]):
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
