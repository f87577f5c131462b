"""Recipe sections of the loop that trains: reading pictures, optimiser, length and validation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from autrt_train.selection import SelectBy

Positive = Annotated[int, Field(ge=1)]


class Strict(BaseModel):
    """Base of the recipe's sections: unknown keys, infinity and NaN are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LoaderSettings(Strict):
    """Reading and augmenting of pictures."""

    name: Literal["opencv", "dali"] = "opencv"
    threads: Positive | None = None
    """Decoding threads of each process; None: the machine's cores, divided among its processes."""
    prefetch: Positive = 4
    """Batches prepared ahead."""
    cache_gb: Annotated[float, Field(ge=0)] = 0
    """Memory for decoded pictures in 10⁹ bytes; cached pictures are read from disk only once."""


class OptimiserSettings(Strict):
    """SGD as in the paper, or AdamW."""

    name: Literal["sgd", "adamw"] = "sgd"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    decay_norms: bool = True
    """Apply weight decay to biases and normalisation layers too (the paper's SGD does)."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1
    """Vision transformers: factor of the learning rate from each block to the one before it (Bao et al. 2022)."""
    schedule: Literal["steps", "one-cycle", "constant"] = "steps"
    milestones: tuple[Positive, ...] = (4, 6, 8)
    """Completed epochs after which the learning rate is divided by 10."""
    warm_up: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of all steps in which the one-cycle schedule rises."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None


class FitSettings(Strict):
    """Training loop."""

    epochs: Positive = 15
    steps: Positive | None = None
    """Number of steps; overrides `epochs`."""
    batch: Positive = 256
    """Pictures of one optimiser step, over all processes."""
    micro_batch: Positive | None = None
    """Pictures in memory at a time, per process; their gradients are summed. The sum equals the whole batch's
    gradient except for BatchNorm, whose statistics are those of each micro-batch. None: its whole share."""
    precision: Literal["f32", "bf16", "fp16"] = "f32"
    channels_last: bool = True
    batch_norm: Literal["train", "eval", "sync"] = "train"
    """eval: running statistics stay fixed; sync: statistics over all processes (CUDA only)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Overrides the network's own dropout."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0
    """Decay of an exponential moving average of the weights, which is then validated and saved; 0: none."""
    validate_every: Annotated[float, Field(gt=0)] = 1
    """Epochs between validations; 0.25 is four an epoch. Older recipes say `judge_every`."""
    select_by: SelectBy = "f1_posneg"
    """Score of AU runs by which the best checkpoints are kept, overall and for each AU (`autrt_train.selection`);
    smoothed where `data.image_rate` is known."""
    save_every_s: Annotated[float, Field(gt=0)] = 300
    """Seconds between checkpoints within an epoch."""
    diverged_at: Annotated[float, Field(gt=1)] = 1e4
    """A loss above this multiple of the first steps' median ends the run."""

    @model_validator(mode="before")
    @classmethod
    def _takes_the_former_name(cls, settings: Any) -> Any:
        if isinstance(settings, dict) and "judge_every" in settings:
            taken = dict(cast("dict[str, Any]", settings))
            taken["validate_every"] = taken.pop("judge_every")
            return taken
        return settings
