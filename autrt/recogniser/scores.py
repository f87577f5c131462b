"""From logits to the faces of a frame: probabilities, smoothed probabilities and decisions of one model."""

from __future__ import annotations

from autrt.model.folder import Model
from autrt.postprocess.ensemble import combine, sigmoid
from autrt.postprocess.threshold import decide
from autrt.recogniser.faces import RecognisedFaces
from autrt.types import F32, Faces


def combined_logits(model: Model, member_logits: F32) -> F32:
    """Return the (F, A) float32 logits of the ensemble.

    Args:
        model: the ensemble, or a single network.
        member_logits: (F, M, A) float32.
    """
    return combine(member_logits, model.weights)


def to_smooth(model: Model, logits: F32) -> F32:
    """Return the (F, A) float32 values that the model has smoothed: its logits, or their probabilities."""
    return sigmoid(logits) if model.smoothing_domain == "probability" else logits


def recognised_faces(model: Model, faces: Faces, logits: F32, smoothed: F32) -> RecognisedFaces:
    """Return the faces of one frame with their scores.

    Args:
        model: thresholds, and the domain of `smoothed`.
        faces: F faces.
        logits: (F, A) float32.
        smoothed: (F, A) float32 smoothed values of `to_smooth`.
    """
    probability = smoothed if model.smoothing_domain == "probability" else sigmoid(smoothed)
    return RecognisedFaces(
        au_names=model.au_names,
        box=faces.boxes,
        landmarks=faces.landmarks,
        score=faces.score,
        track=faces.track,
        source=faces.source,
        logit=logits,
        probability=sigmoid(logits),
        smoothed=probability,
        active=decide(probability, model.thresholds),
    )
