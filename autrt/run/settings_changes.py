"""The settings that differ between two runs, by the names of the options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from autrt.results.fingerprint import canonical_json
from autrt.results.model_titles import short_digest
from autrt.settings import DETECT_INTERVAL_S, MAX_DETECT_EVERY
from autrt.storage.escape import escape

_DETECTION: Final = ("detect_every", "detect_interval_s", "detect_every_max")
"""Settings that together decide the detection interval."""

_NAMES: Final = {"baseline_percentile": "baseline", "detector": "face detector"}
"""Setting → its name for users, where that is another."""

_STORED_IF_ON: Final = ("features", "quality_weighted")


def settings_changes(
    old: Mapping[str, Any], new: Mapping[str, Any], *, old_model: str = "", new_model: str = ""
) -> list[str]:
    """Return a line `name: old → new` for each setting that differs.

    Args:
        old: JSON values, with the model's digest as `model`.
        new: the same of the other run.
        old_model: the model's name.
        new_model: the same of the other run.
    """
    before, after = _flat(_readable(old, old_model)), _flat(_readable(new, new_model))
    renewed = {"model": ", another model of this name"} if old_model and old_model == new_model else {}
    return [
        f"{name}: {before.get(name, _absent(name))} → {after.get(name, _absent(name))}{renewed.get(name, '')}"
        for name in before | after
        if before.get(name) != after.get(name)
    ]


def _absent(name: str) -> str:
    """Return the value of a setting that is only stored where it is on."""
    return "no" if name in _STORED_IF_ON else "not set"


def _readable(settings: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return the settings under the names that a user knows."""
    rest = {name: value for name, value in settings.items() if name not in _DETECTION}
    shown: dict[str, Any] = {}
    if "model" in rest:
        digest = short_digest(str(rest.pop("model")))
        shown["model"] = f"{escape(model)} ({digest})" if model else digest
    if any(name in settings for name in _DETECTION):
        shown["faces are searched for"] = _detection(settings)
    for name, value in rest.items():
        shown[_NAMES.get(name, name)] = _value(name, value)
    return shown


def _value(name: str, value: Any) -> Any:
    if name == "baseline_percentile":
        return "none" if value is None else f"p{value:g}"
    if name == "detector":
        return short_digest(str(value))
    if name == "max_faces" and value is None:
        return "all"
    return ("no", "yes")[value] if isinstance(value, bool) else value


def _detection(settings: Mapping[str, Any]) -> str:
    if settings.get("detect_every"):
        return f"on every {settings['detect_every']} frames (detect_every)"
    interval_s, most = settings.get("detect_interval_s"), settings.get("detect_every_max")
    presets: dict[Any, str] = {
        (DETECT_INTERVAL_S[quality], MAX_DETECT_EVERY[quality]): quality for quality in DETECT_INTERVAL_S
    }
    quality = presets.get((interval_s, most))
    interval = f"every {interval_s} s" + (f", {most} frames at most" if most else "")
    return f"{interval} (quality {quality})" if quality else interval


def _flat(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return dotted names → values as texts."""
    out: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            out |= {f"{name}.{k}": v for k, v in _flat(value).items()}
        else:
            out[name] = value if isinstance(value, str) else canonical_json(value)
    return out
