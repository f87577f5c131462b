"""What differs between the settings of two runs, in the words of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from autrt.results.fingerprint import canonical_json
from autrt.settings import DETECT_INTERVAL_S, MAX_DETECT_EVERY
from autrt.storage.escape import escape

_LOOKING: Final = ("detect_every", "detect_interval_s", "detect_every_max")
"""Settings that together say how often faces are searched for."""

_NAMES: Final = {
    "max_faces": "--max-faces",
    "image_rate": "--image-rate",
    "keep_members": "--keep-members",
    "baseline_percentile": "--baseline",
    "detector": "face detector",
}
_DIGEST_DIGITS: Final = 8


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], *, old_model: str = "", new_model: str = ""
) -> list[str]:
    """Each setting that differs, as `name: old → new`.

    Args:
        old: JSON values, with the model's digest as `model`.
        new: the same of the other run.
        old_model: the model's name.
        new_model: the same of the other run.
    """
    ours, theirs = _flat(_shown(new, new_model)), _flat(_shown(old, old_model))
    return [
        f"{name}: {theirs.get(name, 'not set')} → {ours.get(name, 'not set')}"
        for name in theirs | ours
        if ours.get(name) != theirs.get(name)
    ]


def _shown(settings: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The settings under the names that a user knows; texts are shown as they are."""
    rest = {name: value for name, value in settings.items() if name not in _LOOKING}
    shown: dict[str, Any] = {}
    if "model" in rest:
        digest = str(rest.pop("model"))[:_DIGEST_DIGITS]
        shown["model"] = f"{escape(model)} ({digest})" if model else digest
    if any(name in settings for name in _LOOKING):
        shown["faces are searched for"] = _looking(settings)
    for name, value in rest.items():
        shown[_NAMES.get(name, name)] = _value(name, value)
    return shown


def _value(name: str, value: Any) -> Any:
    if name == "baseline_percentile":
        return "none" if value is None else f"p{value:g}"
    if name == "detector":
        return str(value)[:_DIGEST_DIGITS]
    if name == "max_faces" and value is None:
        return "all"
    return ("no", "yes")[value] if isinstance(value, bool) else value


def _looking(settings: Mapping[str, Any]) -> str:
    if settings.get("detect_every"):
        return f"on every {settings['detect_every']} frames (--detect-every)"
    interval_s, most = settings.get("detect_interval_s"), settings.get("detect_every_max")
    presets: dict[Any, str] = {
        (DETECT_INTERVAL_S[quality], MAX_DETECT_EVERY[quality]): quality for quality in DETECT_INTERVAL_S
    }
    quality = presets.get((interval_s, most))
    often = f"every {interval_s} s" + (f", {most} frames at most" if most else "")
    return f"{often} (--quality {quality})" if quality else often


def _flat(settings: Mapping[str, Any]) -> dict[str, str]:
    """Dotted names → values as a user reads them."""
    out: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            out |= {f"{name}.{k}": v for k, v in _flat(value).items()}
        else:
            out[name] = value if isinstance(value, str) else canonical_json(value)
    return out
