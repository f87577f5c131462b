"""Reader of ELAN's annotation files (`.eaf`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np

from autrt.storage.escape import escape
from autrt.video.file_kind import VIDEO_SUFFIXES
from autrt_train.labels.coding import Coding, aus_in, concatenate, parse_level
from autrt_train.labels.spans import CODED, CodedSpans, Span, sample_codes
from autrt_train.types import DataError


def read(path: Path, every_s: float) -> Coding:
    """Read an `.eaf` file.

    A tier named after one AU (`AU12`) or an AU and a coder (`AU12_anna`) holds that AU's spans; the
    annotation's text is its level (A–E, a number, anything else is "present"). On any other tier annotations
    whose text names AUs (`AU1+2`) are spans of these. A tier `coded` marks the intervals that were coded
    (default: from the first span to the last). PARTICIPANT is the person, ANNOTATOR the coder.

    Args:
        path: the file.
        every_s: seconds between the moments that are sampled within an interval.

    Raises:
        DataError: it is not an ELAN file, or names no AU.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError) as error:
        raise DataError(f"{escape(str(path))} cannot be read as an ELAN file: {error}") from error
    files = list(_files(root, path))
    if not files:
        raise DataError(
            f"{escape(str(path))}: expected a tier named after an AU (AU12), or annotations that name some (AU1+2)"
            f"; found the tiers {', '.join(tier.get('TIER_ID', '') for tier in root.iter('TIER')) or 'none'}"
        )
    return concatenate([sample_codes(file, every_s) for file in files])


def _files(root: ElementTree.Element, path: Path) -> Iterator[CodedSpans]:
    video, origin_s = _media(root, path)
    seconds = _slots(root)
    coded: list[Span] = []
    spans: dict[tuple[str, str], list[Span]] = {}
    names: dict[tuple[str, str], list[str]] = {}
    for tier in root.iter("TIER"):
        name = tier.get("TIER_ID", "")
        found = list(_annotations(tier, seconds, origin_s))
        if name.strip().lower() == CODED:
            coded += [Span(au=CODED, start_s=start_s, stop_s=stop_s) for start_s, stop_s, _ in found]
            continue
        whose = tier.get("PARTICIPANT", "").strip(), tier.get("ANNOTATOR", "").strip()
        units, mine = _of_tier(name, found)
        if units:
            names.setdefault(whose, []).extend(units)
            spans.setdefault(whose, []).extend(mine)
    for (person, coder), mine in spans.items():
        units = tuple(dict.fromkeys(names[person, coder]))
        yield CodedSpans(video=video, au_names=units, spans=(*mine, *coded), person=person, coder=coder)


def _of_tier(name: str, found: list[tuple[float, float, str]]) -> tuple[list[str], list[Span]]:
    """Return the AUs that a tier codes, and its spans."""
    units = aus_in(name) if "au" in name.lower() else []
    if len(units) == 1:
        return units, [
            Span(au=units[0], start_s=a, stop_s=b, level=parse_level(text) if text.strip() else np.inf)
            for a, b, text in found
        ]
    spans = [Span(au=unit, start_s=a, stop_s=b) for a, b, text in found for unit in aus_in(text)]
    return [span.au for span in spans], spans


def _media(root: ElementTree.Element, path: Path) -> tuple[str, float]:
    """Return the video's name, and the offset of its time against the annotations', in seconds."""
    for media in root.iter("MEDIA_DESCRIPTOR"):
        for key in ("RELATIVE_MEDIA_URL", "MEDIA_URL"):
            name = unquote(media.get(key, "")).removeprefix("file:///")
            if PurePosixPath(name.replace("\\", "/")).suffix.lower() in VIDEO_SUFFIXES:
                return name, float(media.get("TIME_ORIGIN", 0)) / 1000
    return path.stem, 0.0


def _slots(root: ElementTree.Element) -> dict[str, float]:
    """Return time slot → seconds; slots without a time are spaced evenly between their neighbours, as in ELAN."""
    slots = list(root.iter("TIME_SLOT"))
    known = np.array([float(slot.get("TIME_VALUE", "nan")) for slot in slots])
    given = np.flatnonzero(~np.isnan(known))
    if not len(given):
        return {}
    whole = np.interp(np.arange(len(known)), given, known[given]) / 1000
    return {slot.get("TIME_SLOT_ID", ""): value for slot, value in zip(slots, whole.tolist(), strict=True)}


def _annotations(
    tier: ElementTree.Element, seconds: dict[str, float], origin_s: float
) -> Iterator[tuple[float, float, str]]:
    for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
        ends = [seconds.get(annotation.get(f"TIME_SLOT_REF{end}", "")) for end in (1, 2)]
        if ends[0] is not None and ends[1] is not None:
            text = annotation.findtext("ANNOTATION_VALUE") or ""
            yield ends[0] + origin_s, ends[1] + origin_s, text
