"""The digest of the face detectors, on which the skipping of finished videos rests."""

from __future__ import annotations

from autrt.pipeline.open_networks import detection_digest


def test_detection_digest_follows_the_detectors_numbers_alone():
    """Renaming a class or field that enters it would make every finished results file be computed anew."""
    assert detection_digest() == "d9036cd31096e771bda4be19db283174304158060d8c0e9e3f7cb6af955fa7c7"
