"""Names of the models of several results, told apart where a name stands for two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

_DIGEST_DIGITS = 8


def model_titles(models: Iterable[tuple[str, str]]) -> list[str]:
    """Return a title for each different model: its name, with digits of its digest where another has that name.

    Args:
        models: name and digest; repeated ones are one model.
    """
    different = list(dict.fromkeys(models))
    count = Counter(name for name, _ in different)
    return [f"{name} ({short_digest(digest)})" if count[name] > 1 else name for name, digest in different]


def short_digest(digest: str) -> str:
    """Return as many digits of a digest as tell models apart for a reader."""
    return digest[:_DIGEST_DIGITS]
