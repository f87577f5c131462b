"""Events as an ELAN annotation document (EAF 3.0): a tier for each track and Action Unit."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree

from autrt.aus import AU_MEANING
from autrt.results.events.find import AUEvent, VideoEvents
from autrt.storage.atomic_file import replacing
from autrt.storage.escape import unescape

_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA: Final = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_TYPE: Final = "AU event"
_NOT_XML = re.compile("[\ufffe\uffff]")
"""Characters that XML 1.0 excludes and `escape` leaves."""


def write_elan(videos: Sequence[VideoEvents], target: Path) -> None:
    """Write the one video of `videos` as an EAF file, whole or not at all.

    An annotation goes from onset to offset, in whole milliseconds, and says apex, peak and mean. The rule and the
    thresholds are properties of the header.

    Raises:
        DiskFullError: the disk is full.
        ResultsError: the file cannot be written.
    """
    (video,) = videos
    tree = ElementTree.ElementTree(_document(video))
    ElementTree.indent(tree)
    with replacing(target) as part:
        tree.write(part, encoding="UTF-8", xml_declaration=True)


def _document(video: VideoEvents) -> ElementTree.Element:
    attributes = {"AUTHOR": "autrt", "DATE": video.finished_utc, "FORMAT": "3.0", "VERSION": "3.0"}
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT", attributes | {f"{{{_XSI}}}noNamespaceSchemaLocation": _SCHEMA}
    )
    _add_header(root, video)
    time_order = ElementTree.SubElement(root, "TIME_ORDER")
    numbers = count(1)
    for (track, au), events in _tiers(video).items():
        tier = ElementTree.SubElement(
            root,
            "TIER",
            TIER_ID=_text(f"{au} track {track}"),
            LINGUISTIC_TYPE_REF=_TYPE,
            PARTICIPANT=_text(video.person(track)),
            ANNOTATOR=_text(f"autrt, {video.model}"),
        )
        for event in events:
            _add_annotation(tier, time_order, next(numbers), event)
    ElementTree.SubElement(
        root, "LINGUISTIC_TYPE", LINGUISTIC_TYPE_ID=_TYPE, TIME_ALIGNABLE="true", GRAPHIC_REFERENCES="false"
    )
    return root


def _add_header(root: ElementTree.Element, video: VideoEvents) -> None:
    header = ElementTree.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    # ELAN looks for the file's name beside the document, too, and asks where it finds none.
    place = "./" + quote(os.fsencode(unescape(video.video)))
    ElementTree.SubElement(
        header, "MEDIA_DESCRIPTOR", MEDIA_URL=place, RELATIVE_MEDIA_URL=place, MIME_TYPE="video/*"
    )
    for name, value in video.parameters().items():
        held = ElementTree.SubElement(header, "PROPERTY", NAME=f"autrt:{name}")
        held.text = _text(json.dumps(value, ensure_ascii=False))


def _tiers(video: VideoEvents) -> dict[tuple[int, str], list[AUEvent]]:
    """Return the events of each track and AU that has some, by track, then in the order of the AUs."""
    tiers: dict[tuple[int, str], list[AUEvent]] = {}
    place = {au: i for i, au in enumerate(video.aus)}
    for event in sorted(video.events, key=lambda e: (e.track, place[e.au])):
        tiers.setdefault((event.track, event.au), []).append(event)
    return tiers


def _add_annotation(
    tier: ElementTree.Element, time_order: ElementTree.Element, number: int, event: AUEvent
) -> None:
    ids = (f"ts{2 * number - 1}", f"ts{2 * number}")
    onset_ms, offset_ms = round(1000 * event.onset_s), round(1000 * event.offset_s)
    # ELAN takes no annotation of no length.
    for name, time_ms in zip(ids, (onset_ms, max(offset_ms, onset_ms + 1)), strict=True):
        ElementTree.SubElement(time_order, "TIME_SLOT", TIME_SLOT_ID=name, TIME_VALUE=str(time_ms))
    held = ElementTree.SubElement(
        ElementTree.SubElement(tier, "ANNOTATION"),
        "ALIGNABLE_ANNOTATION",
        ANNOTATION_ID=f"a{number}",
        TIME_SLOT_REF1=ids[0],
        TIME_SLOT_REF2=ids[1],
    )
    ElementTree.SubElement(held, "ANNOTATION_VALUE").text = _text(annotation_text(event))


def annotation_text(event: AUEvent) -> str:
    """Return an event in words: the AU, its movement, apex, peak and mean."""
    name = f"{event.au} {AU_MEANING.get(event.au, '')}".rstrip()
    return f"{name}: peak {event.peak:.3f} at {event.apex_s:.3f} s, mean {event.mean:.3f}"


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
