"""A model's temporal network, run by ONNX Runtime on the CPU whatever runs the other networks: it takes little."""

from __future__ import annotations

from typing import Any

import onnxruntime as ort

from autrt.engine.backends.onnxruntime import one_thread_settings
from autrt.errors import EngineError
from autrt.model.folder import Temporal
from autrt.types import F32


class TemporalEngine:
    """A temporal network, safe to call from several threads; see `autrt.postprocess.temporal.TickNetwork`.

    Raises:
        UsageError: the file is missing, or not the one that the model folder describes.
        EngineError: ONNX Runtime cannot load it.
    """

    def __init__(self, temporal: Temporal) -> None:
        temporal.verify()
        self.n_features, self.reach_ticks = temporal.n_features, temporal.reach_ticks
        try:
            self._session = ort.InferenceSession(
                str(temporal.path), one_thread_settings(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no common base class
            raise EngineError(f"ONNX Runtime cannot run {temporal.path}: {error}") from error

    def run(self, inputs: F32, known: F32) -> F32:
        """Return (T, A) float32 logits of (T, A + D) float32 inputs, of which (T,) are `known`."""
        (found,) = self._outputs({"inputs": inputs[None], "known": known[None]})
        return found[0]

    def _outputs(self, feeds: dict[str, Any]) -> list[Any]:
        try:
            return list(self._session.run(["logits"], feeds))
        except Exception as error:
            raise EngineError(f"the temporal network failed: {error}") from error
