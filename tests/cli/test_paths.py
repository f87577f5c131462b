"""Paths of every command: local ones and file:// URLs; any other scheme is refused and nothing is made."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt import cli
from autrt.cli.paths import LocalPath
from autrt.errors import UsageError
from autrt.storage.local_path import as_local_path, local_path
from tests.support.command import autrt

URLS = (
    "s3://bucket/x",
    "gs://bucket/*.mp4",
    "https://host/a.mp4",
    "smb://host/share",
    "s3:/bucket",
    "hdfs://h/x",
)

WITH_PATHS = [
    "infer a.mp4 --out o --model URL", "infer --out o --plan URL", "export a.h5 --out URL",
    "export a.h5 --format abaw-2024 --out o --frames URL",
    "plan URL --shards 2 --out o.parquet", "crop URL --out o", "crop a.mp4 --out URL",
    "crop a.mp4 --out o --results URL",
    "crop a.mp4 --out o --model URL", "build-engine --model URL", "build-engine --crops URL",
    "build-engine --out URL",
    "train URL", "train smoke --out URL", "train smoke --set data.render.root=URL",
    "distill --teacher URL", "distill --videos URL", "distill --out URL",
    "eval URL --labels affwild2=x", "eval student --labels affwild2=URL",
    "eval student --labels rendered=x --out URL",
    "ensemble URL --out o", "ensemble student --out URL", "synth URL --rig stand-in", "synth o --rig URL",
    "bench --clip URL", "bench --out URL", "bench compare URL URL", "fetch centerface --from URL",
]  # fmt: skip


@pytest.mark.parametrize("line", WITH_PATHS)
def test_paths_of_all_commands_refuse_other_schemes(line, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["autrt", *line.replace("URL", "s3://bucket/x").split()])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().err
    assert end.value.code == 2
    for words in ("s3://bucket/x", "local paths and file:// URLs", "aws s3 sync", "rclone mount"):
        assert words in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line", ["infer EMPTY --out o", "infer a.mp4 --out EMPTY", "infer a.mp4 --out o --model EMPTY"]
)
def test_paths_refuse_empty_text(line, monkeypatch, capsys):
    words = ["" if word == "EMPTY" else word for word in line.split()]
    monkeypatch.setattr("sys.argv", ["autrt", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "expected a path, found ''" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "report . --out a.h5",
        "report . --out a.mp4",
        "summary . --out a.h5",
        "plan a.mp4 --shards 2 --out a.mp4",
        "plan a.mp4 --shards 2 --out a.h5",
    ],
)
def test_output_never_replaces_a_video_or_results(line, tmp_path, monkeypatch, capsys):
    for name in ("a.h5", "a.mp4"):
        (tmp_path / name).write_bytes(b"kept")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["autrt", *line.split()])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "expected a" in capsys.readouterr().err
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"kept"}


def test_paths_of_all_commands_have_our_types():
    context = click.Context(cli.group)
    for name in cli.COMMANDS:
        command = cli.group.get_command(context, name)
        for part in [command, *getattr(command, "commands", {}).values()]:
            for parameter in part.params:
                assert not isinstance(parameter.type, click.Path) or isinstance(parameter.type, LocalPath), (
                    name
                )


@pytest.mark.parametrize("url", URLS)
def test_refused_scheme_is_named_with_what_to_do(url):
    with pytest.raises(UsageError) as refused:
        local_path(url)
    scheme = url.partition(":")[0]
    assert url in str(refused.value)
    assert f"found {scheme}:" in str(refused.value)
    assert "copy" in str(refused.value) or "mount" in str(refused.value)


@pytest.mark.parametrize(
    "path",
    [
        "a.mp4",
        "/a/b",
        "./s3:/x",
        "a/s3://b",
        "C:/x",
        "s3",
        "s3:x",
        "12:30/a.mp4",
        "~/x",
        "",
        "*.mp4",
        "-",
        "a b:/c",
    ],
)
def test_local_paths_stay_as_they_are(path):
    assert local_path(path) == path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///a/b%20c.mp4", "/a/b c.mp4"),
        ("file://localhost/a", "/a"),
        ("file:/a", "/a"),
        ("FILE:///a%2Fb", "/a/b"),
        ("file:///a/*.mp4", "/a/*.mp4"),
        ("file:///a?b#c", "/a?b#c"),
    ],
)
def test_file_urls_are_paths(url, path):
    assert local_path(url) == path


@given(st.binary(min_size=1, max_size=40).filter(lambda raw: b"\0" not in raw))
def test_file_url_of_any_path_is_that_path(raw):
    path = Path("/", os.fsdecode(raw))
    assert as_local_path(path.as_uri()) == path


@pytest.mark.parametrize("url", ["file://host/a", "file://", "file://localhost"])
def test_file_url_of_another_machine_is_refused(url):
    with pytest.raises(UsageError, match="on this machine"):
        local_path(url)


def test_folder_named_like_a_scheme_can_be_given(tmp_path):
    (tmp_path / "s3:").mkdir()
    assert "./s3:/" in autrt("crop", "s3://x", "--out", "o", cwd=tmp_path).stderr
    found = autrt("verify", "./s3:/x", cwd=tmp_path)
    assert "does not exist" in found.stderr


def test_cache_folder_refuses_other_schemes(tmp_path):
    done = autrt("fetch", cwd=tmp_path, env=os.environ | {"AUTRT_CACHE": "s3://bucket/cache"})
    assert done.returncode == 2
    assert "aws s3 sync" in done.stderr
    assert list(tmp_path.iterdir()) == []
