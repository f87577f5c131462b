"""The digest of the face detectors, on which the skipping of finished videos rests, and what is opened when."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from itertools import chain

from autrt.engine.memory import HostMemory
from autrt.face.detect import FRAME_CANVASES, PATCH_CANVASES
from autrt.model.folder import load_model
from autrt.pipeline import open_networks as module
from autrt.pipeline.open_networks import detection_digest, open_networks
from autrt.settings import InferSettings
from tests.support.fakes_run import FakeEngine
from tests.support.fetched import fetched


def test_detection_digest_follows_the_detectors_numbers_alone():
    """Renaming a class or field that enters it would make every finished results file be computed anew."""
    assert detection_digest() == "d9036cd31096e771bda4be19db283174304158060d8c0e9e3f7cb6af955fa7c7"


def test_on_a_gpu_every_canvas_is_opened_before_the_first_video(monkeypatch):
    """While videos are decoded no engine may be built or recorded there."""
    fetched("centerface")
    opened: list[tuple[int, int] | None] = []

    class Opened(FakeEngine):
        def __init__(self, graph, **_):
            super().__init__(load_model().au_names)
            opened.append(graph.size)

    monkeypatch.setattr(module, "open_engine", Opened)
    monkeypatch.setattr(module, "memory_on", lambda device: HostMemory())
    settings = InferSettings(engine="tensorrt", device="cuda:0")
    with closing(open_networks(load_model(), settings, threads=1)):
        canvases = {size for size in opened if size is not None}
        assert canvases == {*chain(*FRAME_CANVASES.values()), *PATCH_CANVASES}
    opened.clear()
    with closing(open_networks(load_model(), replace(settings, engine="torch"), threads=1)):
        assert {size for size in opened if size is not None} == set()  # its detector is on the CPU
