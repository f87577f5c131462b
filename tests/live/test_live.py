"""`autrt live`: cameras, the newest picture, the page and its guard, and recordings."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import av
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

import autrt
from autrt.errors import UsageError, VideoError
from autrt.live.camera import Camera, Shot, open_camera, public_name, stamp_times
from autrt.live.newest import NewestShot
from autrt.live.server import LiveServer, is_loopback
from autrt.live.session import Session
from autrt.live.view import View
from autrt.results.verification.verify import verify
from tests.support.fetched import fetched
from tests.support.media import Clip

SCREENSHOTS = os.environ.get("AUTRT_SCREENSHOTS")


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return Clip(frames=12, rate=Fraction(50)).write(tmp_path_factory.mktemp("live") / "clip.mp4")


def shots(n: int, every_s: float = 0.0) -> Iterator[Shot]:
    for i in range(n):
        time.sleep(every_s)
        yield Shot(np.full((8, 8, 3), i, np.uint8), i / 30, time.monotonic())


def test_a_file_plays_like_a_camera(clip):
    played = list(open_camera(clip).shots)
    with av.open(str(clip)) as container:
        frames = list(container.decode(video=0))
    assert [shot.time_s for shot in played] == pytest.approx([float(f.time) for f in frames])
    for shot, frame in zip(played, frames, strict=True):
        np.testing.assert_allclose(shot.picture.mean(), frame.to_ndarray(format="rgb24").mean(), atol=1)
    assert played[-1].taken_s - played[1].taken_s >= played[-1].time_s - played[1].time_s - 0.02


def test_a_looped_file_goes_on_in_time(clip):
    looped = open_camera(clip, loop=True).shots
    times = [next(looped).time_s for _ in range(30)]
    assert np.diff(times) == pytest.approx(0.02)


def test_a_stream_is_read_by_its_stamps(clip):
    handler = partial(SimpleHTTPRequestHandler, directory=str(clip.parent))
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened = open_camera(
            f"http://user:secret@127.0.0.1:{server.server_address[1]}/{clip.name}?key=secret"
        )
        assert opened.name == f"http://127.0.0.1:{server.server_address[1]}/clip.mp4"
        assert np.diff([shot.time_s for shot in opened.shots]) == pytest.approx(0.02)
        server.shutdown()


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (99, UsageError, "camera 99: expected a camera, found none that opens"),
        ("gopher://user:pw@host/x", UsageError, r"gopher://host/x: expected a URL of rtsp"),
        ("rtsp://user:pw@127.0.0.1:9/x", VideoError, "rtsp://127.0.0.1:9/x: the stream cannot be opened"),
    ],
)
def test_a_camera_that_is_not_there_is_told_without_passwords(source, error, message):
    with pytest.raises(error, match=message) as told:
        open_camera(source)
    assert "pw" not in str(told.value)


def test_names_of_streams_hold_no_secrets():
    assert public_name("rtsp://admin:p%40ss@cam.local:554/1?token=abc") == "rtsp://cam.local:554/1"


@given(st.lists(st.tuples(st.none() | st.floats(-1e6, 1e6), st.floats(0, 10)), min_size=1, max_size=30))
def test_times_of_a_stream_increase_whatever_its_stamps_say(pictures):
    arrived = np.cumsum([step for _, step in pictures]).tolist()
    times = list(stamp_times((stamp, at) for (stamp, _), at in zip(pictures, arrived, strict=True)))
    assert times[0] == 0
    assert (np.diff(times) > 0).all()


def test_the_newest_picture_replaces_those_that_wait():
    with NewestShot(Camera("fake", shots(50, 0.002))) as newest:
        seen = []
        for shot in newest:
            seen.append(int(shot.picture[0, 0, 0]))
            time.sleep(0.02)
    assert seen == sorted(set(seen))
    assert seen[-1] == 49
    assert len(seen) + newest.left_out == 50
    assert newest.left_out > 0


def test_what_broke_off_a_camera_reaches_the_one_who_looks():
    def broken() -> Iterator[Shot]:
        yield from shots(2)
        raise VideoError("the stream broke off")

    with NewestShot(Camera("fake", broken())) as newest, pytest.raises(VideoError, match="broke off"):
        list(newest)


@pytest.fixture(scope="module")
def recogniser():
    fetched("centerface")
    with autrt.Recogniser(engine="onnxruntime") as opened:
        yield opened


def faces_at(clip: Path, n: int) -> Iterator[Shot]:
    with av.open(str(clip)) as container:
        for frame, _ in zip(container.decode(video=0), range(n), strict=False):
            yield Shot(frame.to_ndarray(format="rgb24"), float(frame.time), time.monotonic())
            time.sleep(0.03)


def test_a_recording_is_a_sound_results_file(recogniser, tmp_path):
    session = Session(recogniser, Camera("smile", faces_at(fetched("clip-smile"), 40)), tmp_path / "live.h5")
    frames, written = session.run()
    assert written == tmp_path / "live.h5"
    assert verify(written) == []
    with autrt.open_results(written) as results:
        assert results.n_frames == frames > 0
        assert results.header.source.kind == "live"
        assert results.header.source.path == "smile"
        assert results.header.settings["live"] is True
        assert len(results.tracks) == 1
        assert (results.faces["smoothed"] >= 0).all()
        assert len(results.to_dataframe()) == frames
    with pytest.raises(EOFError):
        session.wait(frames, 1)


def test_a_recording_is_kept_where_the_camera_breaks_off(recogniser, tmp_path):
    def broken() -> Iterator[Shot]:
        yield from faces_at(fetched("clip-smile"), 10)
        raise VideoError("the stream broke off")

    with pytest.raises(VideoError, match="broke off"):
        Session(recogniser, Camera("smile", broken()), tmp_path / "live.h5").run()
    assert verify(tmp_path / "live.h5") == []


@pytest.fixture
def session(recogniser) -> Iterator[Session]:
    """A session that runs in another thread, over a clip that repeats."""
    live = Session(recogniser, open_camera(fetched("clip-smile"), loop=True))
    thread = threading.Thread(target=live.run)
    thread.start()
    yield live
    live.stop()
    thread.join(20)
    assert not thread.is_alive()


def events(url: str) -> Iterator[dict[str, Any]]:
    with urlopen(url, timeout=20) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


def test_the_page_shows_pictures_and_numbers(session):
    with LiveServer(session, View(session)) as server:
        page = urlopen(server.url, timeout=20).read().decode()
        assert "AU12" in page
        assert "lip corner puller" in page
        assert "AU23" not in page  # experimental
        with_face = next(seen for seen in events(f"{server.url}events") if seen["faces"])
        assert len(with_face["faces"][0]["smoothed"]) == len(with_face["faces"][0]["active"]) == 10
        assert with_face["latency_ms"] > 0
        with urlopen(f"{server.url}picture", timeout=20) as stream:
            head = [stream.readline() for _ in range(4)]
            assert head[1] == b"Content-Type: image/jpeg\r\n"
            picture = simplejpeg.decode_jpeg(stream.read(int(head[2].split(b":")[1])))
        assert picture.shape == session.wait(-1, 5).picture.shape


def test_the_page_answers_this_machine_alone(session):
    with LiveServer(session, View(session)) as server:
        for path, host, status in (("", "evil.example", 403), ("none", "localhost", 404)):
            with pytest.raises(HTTPError) as refused:
                urlopen(Request(f"{server.url}{path}", headers={"Host": host}), timeout=20)
            assert refused.value.code == status


def test_elsewhere_a_token_is_asked_for(session):
    with LiveServer(session, View(session), "0.0.0.0") as server:
        bare, token = server.url.replace("0.0.0.0", "127.0.0.1").split("?token=")
        for address in (bare, f"{bare}events", f"{bare}?token=wrong"):
            with pytest.raises(HTTPError, match="403"):
                urlopen(address, timeout=20)
        with urlopen(f"{bare}?token={token}", timeout=20) as page:
            cookie = page.headers["Set-Cookie"].split(";")[0]
        with urlopen(Request(f"{bare}events", headers={"Cookie": cookie}), timeout=20) as stream:
            assert stream.readline().startswith(b"data: ")


def test_a_port_that_is_taken_is_told(session):
    with (
        LiveServer(session, View(session)) as server,
        pytest.raises(UsageError, match="choose another --port"),
    ):
        LiveServer(session, View(session), port=int(server.url.rstrip("/").rpartition(":")[2]))


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("example.org", False)],
)
def test_loopback(host, here):
    assert is_loopback(host) == here


def test_ctrl_c_completes_the_recording(tmp_path):
    fetched("centerface")
    arguments = [str(fetched("clip-smile")), "--loop", "--record", "live.h5", "--port", "0", "--no-browser"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from autrt.cli import main; main()", "live", *arguments],
        stdout=subprocess.PIPE, text=True, cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout is not None
    address = process.stdout.readline().split()[-3]
    next(seen for seen in events(f"{address}events") if seen["recorded"] > 3)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert said.endswith("in live.h5\n")
    assert verify(tmp_path / "live.h5") == []


def test_what_would_be_replaced_is_refused(clip, tmp_path):
    (tmp_path / "a.h5").touch()
    for record, message in (("a.h5", "--overwrite"), ("a.csv", "ends in .h5")):
        done = subprocess.run(
            [sys.executable, "-m", "autrt", "live", str(clip), "--record", str(tmp_path / record)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert message in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(session, tmp_path, scheme):
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium here")
    wrong: list[str] = []
    with (
        LiveServer(session, View(session)) as server,
        pytest.importorskip("playwright.sync_api").sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1100, "height": 760}, color_scheme=scheme)
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("request", lambda r: r.url.startswith((server.url, "data:")) or wrong.append(r.url))
        tab.goto(server.url)
        tab.wait_for_function("document.querySelectorAll('.au').length === 10", timeout=60_000)
        tab.wait_for_function("document.querySelector('#picture img').naturalWidth > 0", timeout=60_000)
        folder = Path(SCREENSHOTS or tmp_path)
        folder.mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=folder / f"live-{scheme}.png")
        before = tab.inner_text("#latency")
        assert before.endswith("ms")
        tab.keyboard.press("Space")
        assert tab.get_attribute("#pause", "aria-pressed") == "true"
        still = tab.inner_text("#faces")
        time.sleep(0.5)
        assert tab.inner_text("#faces") == still
        tab.keyboard.press("Space")
        session.stop()
        tab.wait_for_selector("#over:not([hidden])", timeout=20_000)
        assert tab.inner_text("#over") == "The session has ended."
        browser.close()
    assert wrong == []
