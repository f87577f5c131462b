"""Runs over videos in a bucket through the command, against an S3 server that fails now and then."""

from __future__ import annotations

import json
import os
import signal
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest

from autrt import plan
from autrt.errors import StorageError, UsageError
from autrt.results.verification.verify import verify
from tests.support.command import assert_equal_results, autrt, manifest, start
from tests.support.fetched import fetched
from tests.support.media import Clip, write_video

pytest.importorskip("moto")
pytest.importorskip("s3fs")
pytest.importorskip("flask")
from tests.support.s3_server import BUCKET, S3Server, faulty

FRAMES = 5


def write_clips(folder: Path, n: int, side: int | None = None) -> Path:
    """Write short videos of one face, no two alike; `side`: only so many pixels of each frame, at its middle."""
    with av.open(str(fetched("clip-smile"))) as container:
        frames = [
            f.to_ndarray(format="rgb24") for _, f in zip(range(40), container.decode(video=0), strict=False)
        ]
    height, width = frames[0].shape[:2]
    if side is not None:
        y, x = (height - side) // 2, (width - side) // 2
        frames, height, width = [frame[y : y + side, x : x + side] for frame in frames], side, side
    for i in range(n):
        clip = Clip(
            width=width,
            height=height,
            rate=Fraction(25),
            options={"preset": "ultrafast", "crf": str(20 + i % 20)},
        )
        begin = i % 30
        path = folder / f"{i % 7}" / f"clip {i:03}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, frames[begin : begin + FRAMES], clip)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    fetched("centerface")
    return write_clips(tmp_path_factory.mktemp("clips"), 4)


@pytest.fixture(scope="module")
def local(clips, tmp_path_factory) -> Path:
    """Results of a plain run."""
    out = tmp_path_factory.mktemp("local")
    done = autrt("infer", clips, "--out", out, "--progress", "none")
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def server(clips):
    server = S3Server()
    upload(server, clips)
    yield server
    server.close()


def upload(server: S3Server, clips: Path) -> None:
    for path in sorted(clips.rglob("*.mp4")):
        server.put(f"videos/{path.relative_to(clips)}", path.read_bytes())


@pytest.fixture
def environment(server, tmp_path) -> dict[str, str]:
    files = Path(fetched("centerface")).parent
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "files").symlink_to(files)
    return {**os.environ, **server.environment(), "AUTRT_CACHE": str(cache)}


def infer(environment, *options, videos=f"s3://{BUCKET}/videos", out=f"s3://{BUCKET}/results"):
    options = ("--videos", videos, "--out", out, "--progress", "none", *options)
    return autrt("infer", *options, env=environment)


def assert_delivered(server: S3Server, local: Path, tmp_path: Path) -> Path:
    """Every result is in the bucket, sound, as of a plain run, and recorded as it is there; nothing else is."""
    found = server.download("results/", tmp_path / "found")
    assert_equal_results(found, local)
    assert all(verify(path) == [] for path in found.rglob("*.h5"))
    events = manifest(found)
    sizes = {path: event["finished"]["file"]["size_bytes"] for path, event in events.items()}
    assert sizes == {
        str(path.relative_to(found)).removesuffix(".h5"): path.stat().st_size for path in found.rglob("*.h5")
    }
    others = [key for key in server.keys("results/") if not key.endswith(".h5")]
    assert all(key.startswith("results/manifest.") or key == "results/run.json" for key in others), others
    return found


@pytest.mark.timeout(600)
def test_a_run_in_a_bucket_equals_a_local_one_despite_faults(server, environment, local, tmp_path):
    with faulty(server, 0.3) as injected:
        done = infer(environment, "--cache-size", "2MB")
    assert done.returncode == 0, done.stderr
    assert sum(injected.values()) >= 3, injected
    assert_delivered(server, local, tmp_path)
    assert list((tmp_path / "cache" / "cloud").rglob("*.*")) == []

    server.faults.requests.clear()
    again = infer(environment)
    assert again.returncode == 0
    assert "4 done before" in again.stderr
    listings = [query for _, _, query in server.faults.requests if "list-type" in query]
    assert len(listings) == 2, "one of the videos, one of the results"
    assert all(method == "GET" for method, _, _ in server.faults.requests)
    assert not any(path.endswith((".mp4", ".h5")) for _, path, _ in server.faults.requests)


@pytest.mark.timeout(600)
def test_a_killed_run_is_gone_on_with(server, environment, local, tmp_path):
    server.faults.refuse = "PUT .h5"  # so that results wait on this machine
    options = ("--videos", f"s3://{BUCKET}/videos", "--out", f"s3://{BUCKET}/results", "--workers", "1")
    run = start("infer", *options, "--progress", "plain", env=environment)
    waiting = tmp_path / "cache" / "cloud"
    deadline_s = time.monotonic() + 120
    while len(list(waiting.rglob("results/**/*.h5"))) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.1)
    run.kill()
    run.communicate()
    kept = {path.name for path in waiting.rglob("results/**/*.h5")}
    assert len(kept) >= 2
    assert not any(key.endswith(".h5") for key in server.keys("results/"))

    server.faults.refuse = ""
    again = infer(environment)
    assert again.returncode == 0, again.stderr
    assert f"{len(kept)} done before" in again.stderr
    found = assert_delivered(server, local, tmp_path)
    statuses = {Path(path).name + ".h5": event["status"] for path, event in manifest(found).items()}
    assert {name for name, status in statuses.items() if status == "found"} == kept


def test_a_signed_url_is_read_and_its_signature_never_recorded(server, environment, tmp_path):
    url = server.client.generate_presigned_url(
        "get_object", Params={"Bucket": BUCKET, "Key": "videos/0/clip 000.mp4"}, ExpiresIn=600
    )
    assert "Signature" in url
    out = tmp_path / "out"
    done = infer(environment, videos=url, out=out)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in out.rglob("*.h5")] == ["clip 000.mp4.h5"]
    secrets = [word.encode() for word in url.partition("?")[2].split("&")] + [b"SECRETKEY", b"Signature"]
    stored = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    stored += done.stdout.encode() + done.stderr.encode()
    assert not [word for word in secrets if word in stored]
    assert b"?\xe2\x80\xa6" in json.loads((out / "run.json").read_text())["about"]["command"].encode()
    assert "1 done before" in infer(environment, videos=url, out=out).stderr


def test_what_is_not_there_is_explained_before_anything_is_written(server, environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="found none in s3://archive/nothing"):
        plan(f"s3://{BUCKET}/nothing", f"s3://{BUCKET}/results")
    with pytest.raises((UsageError, StorageError), match="no-such-bucket"):
        plan("s3://no-such-bucket/videos", f"s3://{BUCKET}/results")
    with pytest.raises(UsageError, match="can only be read"):
        plan(f"s3://{BUCKET}/videos", "https://example.org/results")
    assert len(plan(f"s3://{BUCKET}/videos/[01]/*.mp4", f"s3://{BUCKET}/results").todo) == 2
    assert not server.keys("results/")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_videos_come_through_faults_and_a_kill(tmp_path):
    """200 videos of 112 pixels, 8 % of requests failing, the run killed half-way and started again."""
    fetched("centerface")
    clips, out, server = write_clips(tmp_path / "clips", 200, side=112), tmp_path / "local", S3Server()
    upload(server, clips)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "files").symlink_to(Path(fetched("centerface")).parent)
    environment = {**os.environ, **server.environment(), "AUTRT_CACHE": str(cache)}
    assert autrt("infer", clips, "--out", out, "--progress", "none").returncode == 0
    with faulty(server, 0.08) as injected:
        options = (
            "--videos",
            f"s3://{BUCKET}/videos",
            "--out",
            f"s3://{BUCKET}/results",
            "--progress",
            "none",
        )
        run = start("infer", *options, env=environment)
        while run.poll() is None and sum(key.endswith(".h5") for key in server.keys("results/")) < 80:
            time.sleep(1)
        run.send_signal(signal.SIGKILL)
        run.communicate()
        done = infer(environment, "--cache-size", "1MB")
    assert done.returncode == 0, done.stderr
    assert sum(injected.values()) >= 20, injected
    assert_delivered(server, out, tmp_path)
    server.close()
