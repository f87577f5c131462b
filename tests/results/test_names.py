"""Names: any bytes survive, and no name leads out of the output folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt.errors import UsageError
from autrt.results.names import results_path
from autrt.results.verification.verify import verify
from autrt.run.shard import Shard, in_shard
from autrt.storage.escape import escape, unescape
from tests.support.results import results_file

NAMES = st.binary(min_size=1, max_size=60).filter(lambda b: b"\0" not in b)
OUT = Path("/out")

WILD = [
    "a b.mp4", "a\nb.mp4", "it's \"x\".mp4", "emoji 😀.mp4", "back\\slash\\x41.mp4", "\x1b[31mred\x9b.mp4",
    os.fsdecode(b"\xff\xfe latin\xe9.mp4"), "é" * 120 + ".mp4", "x" * 250 + ".mp4", ".hidden",
    "deep/er/" + "y" * 251,
    "name.h5", "...", " ", "-rf", "\u2028line\u202eflow.mkv",
]  # fmt: skip


@given(NAMES)
def test_escape_keeps_any_bytes_and_shows_no_control(raw):
    name = os.fsdecode(raw)
    text = escape(name)
    assert os.fsencode(unescape(text)) == raw
    assert text.encode().decode() == text
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in text)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain name.mp4", "plain name.mp4"),
        ("größe 😀".encode(), "größe 😀"),
        (b"a\\b", "a\\\\b"),
        (b"a\nb\xff", "a\\x0ab\\xff"),
        (b"\\xff", "\\\\xff"),
        ("\x9b".encode(), "\\xc2\\x9b"),
    ],
)
def test_the_escaped_form_is_as_documented(raw, text):
    assert escape(os.fsdecode(raw)) == text


@pytest.mark.parametrize("relative", WILD)
def test_files_of_wild_names_can_be_written_and_read(tmp_path, relative):
    path = results_path(tmp_path, relative)
    assert path.is_relative_to(tmp_path)
    assert all(len(os.fsencode(part)) <= 255 for part in path.parts)
    results_file(path, [1])
    assert verify(path) == []
    if len(os.fsencode(Path(relative).name)) <= 252:
        assert path == tmp_path / (relative + ".h5")


@given(st.binary(max_size=400).filter(lambda b: b"\0" not in b))
def test_every_name_stays_inside_or_is_refused(raw):
    relative = os.fsdecode(raw)
    parts = [p for p in relative.split("/") if p not in ("", ".")]
    if not parts or ".." in parts or relative.startswith("/"):
        with pytest.raises(UsageError, match=r"without '\.\.'"):
            results_path(OUT, relative)
    else:
        path = results_path(OUT, relative)
        assert os.path.normpath(path) == str(path)
        assert path.parts[: len(OUT.parts)] == OUT.parts
        assert len(path.parts) == len(OUT.parts) + len(parts)


def test_long_names_that_share_their_beginning_stay_apart():
    names = ["x" * 260 + end for end in ("a.mp4", "b.mp4")] + ["x" * 252, "x" * 253]
    paths = {results_path(OUT, name) for name in names}
    assert len(paths) == 4
    assert results_path(OUT, "x" * 252) == OUT / ("x" * 252 + ".h5")
    assert max(len(path.name) for path in paths) == 255


@given(st.lists(NAMES, max_size=20), st.integers(1, 9))
def test_every_video_is_in_exactly_one_shard(raws, n):
    for raw in raws:
        relative = os.fsdecode(raw)
        assert sum(in_shard(relative, i, n) for i in range(1, n + 1)) == 1
        assert [Shard(i, n).holds(relative) for i in range(1, n + 1)] == [
            in_shard(relative, i, n) for i in range(1, n + 1)
        ]


def test_shards_are_of_like_size_and_never_change():
    names = [f"talks/{i}.mp4" for i in range(4000)]
    shares = [sum(in_shard(name, i, 4) for name in names) for i in range(1, 5)]
    assert min(shares) > 900
    assert [in_shard("a.mp4", i, 3) for i in (1, 2, 3)] == [False, True, False]


@pytest.mark.parametrize(
    "text", ["0/2", "3/2", "1", "1/", "/2", "a/b", "-1/2", "1/2/3", "1 /2", "٣/٤", "1/0"]
)
def test_wrong_shard_text_is_refused(text):
    with pytest.raises(UsageError, match="expected I/N"):
        Shard.parse(text)


def test_shard_text_is_parsed():
    assert Shard.parse("2/8") == Shard(2, 8)
    assert Shard.parse("1/1") == (1, 1)
