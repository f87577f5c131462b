"""`autrt report`: what its page says, that it is self-contained and small, and how it acts in Chromium."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from click.testing import CliRunner

from autrt.cli.report import command
from autrt.errors import MissingDependencyError
from autrt.report.page.render import render_page
from autrt.results.events.find import EventRule
from autrt.results.fingerprint import SourceFacts
from autrt.results.reader import open_results
from autrt.results.summaries.summary import summarise
from autrt.results.summaries.text import clock
from autrt.types import Loss
from tests.support.media import Clip, level
from tests.support.results import results_file, video_file

GRADES = ("validated", "weak", "experimental")
LOST = (Loss(0.3, 4, "packet <cannot> be decoded"),)
SCREENSHOTS = os.environ.get("AUTRT_SCREENSHOTS")
"""A folder that keeps what the browser shows; without it the pictures go with the test's folder."""


def source(name: str, size_bytes: int = 1) -> SourceFacts:
    return SourceFacts(path=name, kind="video", size_bytes=size_bytes, mtime_ns=2, fingerprint="f" * 64)


def run(*arguments) -> tuple[int, str]:
    outcome = CliRunner().invoke(command, [str(a) for a in arguments])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.exit_code, outcome.output


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Results of three videos, one damaged file, and a manifest that names a video that failed."""
    out = tmp_path_factory.mktemp("report") / "out"
    results_file(
        out / "two.mp4.h5", [2] * 150, 1, LOST, damaged=True, source=source("two <b>.mp4"), au_grades=GRADES
    )
    wave = {i: float(0.5 + 0.45 * np.sin(i / 15)) for i in range(300)}
    video_file(out / "wave.mp4.h5", {0: wave, 1: {400: 0.2, 401: 0.3}}, 420, source=source("wave.mp4"))
    results_file(out / "nobody.mp4.h5", [0] * 40, 2, (), source=source("nobody.mp4"), au_grades=GRADES)
    (out / "bad.h5").write_bytes(b"no")
    events = [
        {"path": "wave.mp4", "status": "ok", "seconds": 7.0, "time": 1.0},
        {"path": "broken.mp4", "status": "failed", "reason": "expected a video, found text", "time": 2.0},
        {"path": "later.mp4", "status": "failed", "reason": "no", "time": 3.0},
        {"path": "later.mp4", "status": "ok", "seconds": 1.0, "time": 4.0},
    ]
    (out / "manifest.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return out


@pytest.fixture(scope="module")
def page(archive: Path, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    code, said = run(archive, "--out", path, "--title", "Three <videos>")
    assert code == 3
    assert "3 of 4 videos in" in said
    return path


class Reader(HTMLParser):
    """Gathers a page's text, tags and links; scripts and styles apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.attributes: list[tuple[str, dict[str, Any]]] = []
        self._within: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within.append(tag)
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._within):
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


# What it says


def test_page_states_the_archive_and_each_video(archive, page):
    told = Reader(page.read_text())
    assert "Three <videos>" in told.text
    assert "broken.mp4 expected a video, found text" in told.text
    assert "later.mp4" not in told.text, "it was done by a later run"
    assert str(archive / "bad.h5") in told.text
    for name in ("two", "wave", "nobody"):
        with open_results(archive / f"{name}.mp4.h5") as results:
            summary = summarise(results)
        assert f"{summary.video} {clock(summary.duration_s)} · {summary.frames} frames" in told.text
    assert "2.0 × real time" in told.text
    assert "no face" in told.text
    assert "4 packets at 1 places could not be decoded" in told.text
    assert "packet <cannot> be decoded" in told.text
    assert "AU12 lip corner puller · weak" not in told.text
    assert "Left out as experimental: AU12" in told.text


def test_numbers_of_a_video_are_those_of_its_events(archive, page):
    with open_results(archive / "wave.mp4.h5") as results:
        events = results.events()
    mean_s = sum(e.duration_s for e in events) / len(events)
    top = max(events, key=lambda e: e.peak)
    row = f"AU12 lip corner puller · ungraded {len(events)} "
    text = Reader(page.read_text()).text
    assert row in text
    assert f" {mean_s:.1f} s " in text[text.index(row) :][:80]
    assert f" {top.peak:.2f} {clock(top.apex_s)}" in text[text.index(row) :][:80]


def test_page_loads_nothing_from_elsewhere(page):
    for tag, attributes in Reader(page.read_text()).attributes:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    assert "default-src 'none'" in page.read_text()


def test_page_is_the_same_again(archive, page, tmp_path):
    run(archive, "--out", tmp_path / "again.html", "--title", "Three <videos>")
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_many_videos_get_an_index_and_a_page_each(tmp_path, monkeypatch):
    first = results_file(tmp_path / "out" / "v0.h5", [2] * 300, source=source("v0.mp4"))
    assert run(first, "--out", tmp_path / "one.html")[0] == 0
    empty = results_file(tmp_path / "none.h5", [0], source=source("none.mp4"))
    assert run(empty, "--out", tmp_path / "none.html")[0] == 0
    monkeypatch.setattr("autrt.report.write.ONE_PAGE", 1)
    results_file(tmp_path / "out" / "v1.h5", [1] * 30, source=source("v1.mp4"))
    assert run(tmp_path / "out", "--out", tmp_path / "index.html")[0] == 0
    assert sorted(p.name for p in (tmp_path / "index_files").iterdir()) == [
        "plotly.min.js",
        "v0.html",
        "v1.html",
    ]
    index = Reader((tmp_path / "index.html").read_text())
    links = [a["href"] for tag, a in index.attributes if tag == "a" and a["href"].startswith("index_files/")]
    assert links == ["index_files/v0.html", "index_files/v1.html"]
    back = [a["href"] for tag, a in Reader((tmp_path / links[0]).read_text()).attributes if tag == "a"]
    assert "../index.html" in back
    assert (tmp_path / "index.html").stat().st_size < 100_000


@pytest.mark.parametrize("times_from", ["stamps", "rate"])
def test_pictures_are_the_frames_of_the_peaks(tmp_path, times_from):
    (tmp_path / "videos").mkdir()
    clip = Clip(frames=24, rate=Fraction(30), time_base=Fraction(1, 15360), stamps=range(0, 24 * 512, 512))
    clip.write(tmp_path / "videos" / "a.mp4")
    size = (tmp_path / "videos" / "a.mp4").stat().st_size
    seen = dict.fromkeys(range(24), 0.6) | {9: 0.9}
    path = video_file(tmp_path / "a.h5", {0: seen}, 24, source=source("a.mp4", size), times_from=times_from)
    code, _ = run(path, "--pictures", tmp_path / "videos", "--out", tmp_path / "p.html")
    assert code == 0
    (image,) = [a["src"] for tag, a in Reader((tmp_path / "p.html").read_text()).attributes if tag == "img"]
    picture = simplejpeg.decode_jpeg(base64.b64decode(image.partition(",")[2]))
    square = picture[55:65, 55:65].mean()  # pixel (40, 40) of the video and what lies about it
    assert square == pytest.approx(level(9), abs=6)
    (tmp_path / "videos" / "a.mp4").write_bytes(b"another")
    run(path, "--pictures", tmp_path / "videos", "--out", tmp_path / "p.html")
    assert "<img" not in (tmp_path / "p.html").read_text()


def test_pictures_that_are_missing_are_explained(archive, tmp_path):
    code, said = run(archive, "--pictures", tmp_path, "--out", tmp_path / "p.html")
    assert code == 3  # the archive has a damaged file, too
    assert f": expected the video {tmp_path}" in said
    assert "found none" in said
    assert "videos have no pictures: --pictures takes the folder that was the input of `autrt infer`" in said


@pytest.mark.parametrize("counts", [(), (1,), (0, 3)])
def test_tiny_videos_have_a_page(tmp_path, counts):
    results_file(tmp_path / "a.h5", counts, lost=())
    assert run(tmp_path / "a.h5", "--all-aus", "--out", tmp_path / "a.html")[0] == 0
    assert "a/b.mp4" in Reader((tmp_path / "a.html").read_text()).text


def test_without_jinja2_the_extra_is_named(tmp_path, monkeypatch):
    results_file(tmp_path / "a.h5")
    for name in [n for n in sys.modules if n.startswith(("autrt.report.write", "autrt.report.page"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingDependencyError, match=r"the report needs the package jinja2.*autrt\[report\]"):
        run(tmp_path / "a.h5")


def test_models_of_one_name_are_told_apart(tmp_path):
    for name, digest in (("a", "a" * 64), ("b", "b" * 64)):
        video_file(tmp_path / f"{name}.h5", {0: {0: 0.1}}, 2, model_name="student", model_digest=digest)
    run(tmp_path)
    said = (tmp_path / "report.html").read_text()
    assert "results of different models: student (aaaaaaaa), student (bbbbbbbb)." in said


def test_report_stands_in_the_results_folder(tmp_path):
    results_file(tmp_path / "out" / "a.h5")
    assert run(tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / "report.html").exists()


# How it looks


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_are_readable(theme):
    """WCAG 2's contrast: 4.5 for text, 3 for curves; brightness alone tells events from other frames."""
    css = (Path(__file__).parents[2] / "autrt/report/page/report.css").read_text()
    block = re.findall(r":root[^{]*\{([^}]*)\}", css)[theme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    for text in ("text", "quiet", "accent", "mark"):
        for ground in ("bg", "card"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["mark"], colours["mark-soft"]) >= 4.5
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert contrast(colours["curve"], colours["card"]) >= 3


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("there is no Chromium")
    with pytest.importorskip("playwright.sync_api").sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


def own(url: str) -> bool:
    return url.startswith(("file:", "data:", "blob:"))


def shown(browser: Any, page: Path, scheme: str) -> tuple[Any, list[str]]:
    """The page in a tab, and what went wrong in it: messages, errors, and requests but for itself."""
    tab, wrong = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme), list[str]()
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on(
        "request",
        lambda request: request.url.startswith(("file:", "data:", "blob:")) or wrong.append(request.url),
    )
    tab.goto(page.as_uri())
    return tab, wrong


def drawn(tab: Any) -> list[Any]:
    """The timelines, once they are drawn."""
    plots = tab.query_selector_all("[data-plot]")
    for plot in plots:
        plot.scroll_into_view_if_needed()
        tab.wait_for_function("e => e.dataset.drawn === 'yes'", arg=plot, timeout=60_000)
    return plots


@pytest.mark.slow
def test_page_in_a_browser(browser, page, tmp_path):
    tab, wrong = shown(browser, page, "light")
    plots = drawn(tab)
    assert len(plots) == 2, "a video without faces has no timeline"
    curves = tab.evaluate("e => e.data.filter(t => t.hoverinfo !== 'skip').map(t => t.name)", plots[0])
    assert curves == ["AU1 · lane 1", "AU2 · lane 1", "AU1 · lane 2", "AU2 · lane 2"]
    folder, theme = Path(SCREENSHOTS or tmp_path), "document.documentElement.dataset.theme"
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.wait_for_function("s => document.documentElement.dataset.theme === s", arg=scheme)
        tab.evaluate("scrollTo(0, 0)")
        assert len(tab.screenshot(path=folder / f"report-{scheme}.png", full_page=True)) > 20_000
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    tab.click("#theme")
    assert tab.evaluate(theme) == "light"

    before = tab.evaluate("e => e.layout.xaxis.range", plots[1])
    plots[1].focus()
    tab.keyboard.press("+")
    zoomed = tab.evaluate("e => e.layout.xaxis.range", plots[1])
    assert zoomed[1] - zoomed[0] == pytest.approx((before[1] - before[0]) / 2)
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("e => e.layout.xaxis.range", plots[1])[0] > zoomed[0]
    tab.keyboard.press("0")
    assert tab.evaluate("e => e.layout.xaxis.range", plots[1]) == pytest.approx(before)

    tab.evaluate("scrollTo(0, 0)")
    tab.keyboard.press("j")
    assert tab.evaluate("document.activeElement.tagName") == "ARTICLE"
    names = "[...document.querySelectorAll('.sortable tbody td:first-child')].map(e => e.textContent)"
    tab.click(".sortable th:nth-child(2) button")
    assert tab.evaluate(names) == ["wave.mp4", "two <b>.mp4", "nobody.mp4"]
    tab.click(".sortable th:nth-child(2) button")
    assert tab.evaluate(names) == ["nobody.mp4", "two <b>.mp4", "wave.mp4"]
    assert wrong == []
    tab.close()


@pytest.mark.slow
def test_page_of_a_telephone_has_no_sideways_scroll(browser, page):
    tab, _ = shown(browser, page, "light")
    tab.set_viewport_size({"width": 390, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.close()


def test_render_needs_no_videos():
    html = render_page(title="t", rule=EventRule(), overview=None, videos=[], left_out=[])
    assert len(html) < 30_000
