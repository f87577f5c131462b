"""Discovery: sources, their names and order, and refused inputs."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.errors import UsageError, VideoError
from autrt.types import Source
from autrt.video.discover import discover
from autrt.video.file_kind import holds_video
from autrt.video.open import open_decoder
from tests.support.media import Clip, scene, write_audio, write_picture


def touch(top: Path, names: Iterable[str | bytes]) -> None:
    for name in names:
        path = top / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(sources: Iterable[Source]) -> list[str]:
    return [source.relative for source in sources]


def found(*inputs: Path, out: Path | None = None) -> dict[str, str]:
    sources = discover(list(inputs), out)
    assert all(source.path.exists() or source.path.is_symlink() or source.kind for source in sources)
    return {source.relative: source.kind for source in sources}


# What counts


def test_videos_and_stills_by_name(tmp_path: Path) -> None:
    touch(tmp_path, ["a.mp4", "b.MKV", "sub/c.avi", "d.jpg", "e.PNG", "f.gif", "sub/deep/er/g.webm"])
    assert found(tmp_path) == {
        "a.mp4": "video", "b.MKV": "video", "d.jpg": "still", "e.PNG": "still", "f.gif": "video",
        "sub/c.avi": "video", "sub/deep/er/g.webm": "video",
    }  # fmt: skip


def test_other_files_are_ignored(tmp_path: Path) -> None:
    touch(tmp_path, ["notes.txt", "table.csv", "a.mp4.h5", "x", "archive.zip", "run.json", "manifest.jsonl"])
    (tmp_path / "unknown.xyz").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "words.xyz").write_text("words")
    (tmp_path / "playlist.m3u8").write_text("#EXTM3U\na.mp4\n")
    touch(tmp_path, ["a.mp4"])
    assert found(tmp_path) == {"a.mp4": "video"}


@pytest.mark.parametrize(
    "suffix", [".mp4", ".mkv", ".webm", ".avi", ".mov", ".ts", ".mpg", ".flv", ".gif", ".nut"]
)
def test_unknown_names_are_looked_into(suffix: str, tmp_path: Path) -> None:
    codecs = {
        ".webm": Clip("libvpx-vp9"),
        ".flv": Clip("flv"),
        ".gif": Clip("gif", "rgb8"),
        ".mpg": Clip("mpeg2video"),
    }
    clip = codecs.get(suffix, Clip("mpeg4"))
    clip.frames = 8
    clip.write(tmp_path / f"in{suffix}").rename(tmp_path / "camera1.0001")
    assert found(tmp_path) == {"camera1.0001": "video"}


def test_unknown_names_that_hold_no_video(tmp_path: Path) -> None:
    cover = write_picture(tmp_path / "cover.jpg", scene(0, 32, 32))
    write_audio(tmp_path / "song.mp4", cover=cover.read_bytes()).rename(tmp_path / "song.dat")
    write_audio(tmp_path / "plain.mp4").rename(tmp_path / "plain")
    cover.rename(tmp_path / "cover")
    for name in ("song.dat", "plain", "cover"):
        assert not holds_video(tmp_path / name)
    with pytest.raises(UsageError):
        discover([tmp_path])


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=3000), text=st.text(max_size=500))
def test_holds_video_is_safe_on_any_bytes(
    data: bytes, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "anything"
    path.write_bytes(data)
    holds_video(path)
    path.write_text(text, errors="replace")
    assert not holds_video(path)


def test_source_code_is_no_transport_stream(tmp_path: Path) -> None:
    (tmp_path / "app.ts").write_text("export const answer: number = 42;\n")
    touch(tmp_path, ["empty.ts"])
    Clip("mpeg2video", frames=4).write(tmp_path / "film.ts")
    assert found(tmp_path) == {"film.ts": "video", "empty.ts": "video"}


def test_hidden_and_unfinished_files_are_skipped(tmp_path: Path) -> None:
    touch(
        tmp_path, [".hidden.mp4", ".cache/a.mp4", ".autrt-0123456789abcdef.part", "film.mp4.part", "film.mp4"]
    )
    assert found(tmp_path) == {"film.mp4": "video"}


def test_bad_files_with_video_names_are_kept(tmp_path: Path) -> None:
    touch(tmp_path, ["empty.mp4"])
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "dangling.mkv").symlink_to("nowhere.mkv")
    (tmp_path / "loop.avi").symlink_to("loop.avi")
    (tmp_path / "dangling.txt").symlink_to("nowhere.txt")
    assert found(tmp_path) == dict.fromkeys(["dangling.mkv", "empty.mp4", "loop.avi", "text.mp4"], "video")


def test_special_files_are_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    os.mkfifo("pipe")
    os.mkfifo("pipe.mp4")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("socket")
        assert found(Path()) == {"pipe.mp4": "video"}


# Named files


@pytest.mark.parametrize("name", ["gone.mp4", "gone", "x" * 300 + ".mp4"])
def test_a_named_file_that_is_missing_is_a_source(name: str, tmp_path: Path) -> None:
    (source,) = discover([tmp_path / name])
    assert (source.relative, source.kind) == (name, "video")
    with pytest.raises(VideoError):
        open_decoder(source)


def test_named_file_is_a_source_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    touch(tmp_path, ["empty", ".hidden.mp4", "one.jpg"])
    sources = discover([tmp_path / n for n in ("notes.txt", "empty", ".hidden.mp4", "one.jpg")])
    assert {s.relative: s.kind for s in sources} == {
        ".hidden.mp4": "video", "empty": "video", "notes.txt": "video", "one.jpg": "still",
    }  # fmt: skip


def test_named_file_in_a_named_folder_is_found_once(tmp_path: Path) -> None:
    touch(tmp_path, ["a.mp4", "b.mp4"])
    assert found(tmp_path, tmp_path / "a.mp4", tmp_path / "a.mp4") == {"a.mp4": "video", "b.mp4": "video"}


def test_paths_with_dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, ["in/a.mp4", "in/sub/b.mp4"])
    monkeypatch.chdir(tmp_path / "in" / "sub")
    assert found(Path("..")) == {"a.mp4": "video", "sub/b.mp4": "video"}
    assert found(Path()) == {"b.mp4": "video"}
    assert found(Path("../a.mp4")) == {"a.mp4": "video"}


# Folders of pictures


def test_folder_of_numbered_pictures_is_one_video(tmp_path: Path) -> None:
    touch(
        tmp_path,
        ["clip/00001.jpg", "clip/00002.jpg", "clip/cover.png", "clip/film.mp4", "clip/sub/a.jpg", "b.jpg"],
    )
    assert found(tmp_path) == {
        "b.jpg": "still", "clip": "images", "clip/film.mp4": "video", "clip/sub/a.jpg": "still",
    }  # fmt: skip


def test_the_input_may_be_the_folder_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, ["clip/00001.png", "clip/00002.jpg"])
    assert found(tmp_path / "clip") == {"clip": "images"}
    monkeypatch.chdir(tmp_path / "clip")
    assert found(Path()) == {"clip": "images"}
    assert found(Path("../clip/.")) == {"clip": "images"}


@pytest.mark.parametrize("pictures", [["00001.jpg"], ["0001.jpg", "0002.jpg"], ["a00001.jpg", "a00002.jpg"],
                                      ["00001.jpeg", "00002.jpeg"], ["00001.jpg\n", "00002.jpg\n", "x.jpg"],
                                      ["٠٠٠٠١.jpg", "٠٠٠٠٢.jpg"]])  # fmt: skip
def test_other_pictures_are_stills(pictures: list[str], tmp_path: Path) -> None:
    touch(tmp_path, pictures)
    assert set(found(tmp_path).values()) == {"still"}


# Links


def test_links_out_of_the_folder_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, ["elsewhere/a.mp4", "elsewhere/sub/b.mp4"])
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "film.mp4").symlink_to("../elsewhere/a.mp4")
    (tmp_path / "in" / "more").symlink_to("../elsewhere/sub")
    assert found(tmp_path / "in") == {"film.mp4": "video", "more/b.mp4": "video"}


def test_files_with_own_paths_are_not_taken_through_links(tmp_path: Path) -> None:
    touch(tmp_path, ["real/a.mp4"])
    (tmp_path / "aaa").symlink_to("real")
    (tmp_path / "first.mp4").symlink_to("real/a.mp4")
    assert found(tmp_path) == {"real/a.mp4": "video"}
    assert found(tmp_path, tmp_path / "first.mp4") == {"first.mp4": "video", "real/a.mp4": "video"}


def test_loops_of_links_end(tmp_path: Path) -> None:
    touch(tmp_path, ["a/x.mp4", "b/y.mp4"])
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "other").symlink_to("../b")
    (tmp_path / "b" / "other").symlink_to("../a")
    (tmp_path / "self").symlink_to(".")
    assert found(tmp_path) == {"a/x.mp4": "video", "b/y.mp4": "video"}
    assert found(tmp_path / "a") == {"other/y.mp4": "video", "x.mp4": "video"}


def test_overlapping_folders_give_each_file_once(tmp_path: Path) -> None:
    touch(tmp_path, ["sub/a.mp4", "b.mp4"])
    assert found(tmp_path, tmp_path / "sub") == {"b.mp4": "video", "sub/a.mp4": "video"}
    assert found(tmp_path / "sub", tmp_path) == {"a.mp4": "video", "b.mp4": "video"}


# Patterns


def test_patterns(tmp_path: Path) -> None:
    touch(tmp_path, ["p1/a.mp4", "p1/b.mkv", "p2/a.mp4", "p2/.h.mp4", "p2/deep/c.mp4", "q/a.mp4"])
    assert found(tmp_path / "p*" / "*.mp4") == {"p1/a.mp4": "video", "p2/a.mp4": "video"}
    assert found(tmp_path / "p[2]") == {"p2/a.mp4": "video", "p2/deep/c.mp4": "video"}
    assert found(tmp_path / "**" / "c.*") == {"p2/deep/c.mp4": "video"}
    assert found(tmp_path / "p2" / ".*.mp4") == {".h.mp4": "video"}


def test_relative_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, ["a.mp4", "b/c.mp4"])
    monkeypatch.chdir(tmp_path)
    assert found(Path("*")) == {"a.mp4": "video", "b/c.mp4": "video"}


def test_a_file_may_look_like_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path, ["clip[1].mp4", "clip1.mp4", "what?.mp4"])
    assert found(tmp_path / "clip[1].mp4") == {"clip[1].mp4": "video"}
    assert found(tmp_path / "what?.mp4") == {"what?.mp4": "video"}


@pytest.mark.parametrize("pattern", ["*.mp4", "a**b/*.mp4", "[", "x/y/*.mkv"])
def test_patterns_without_a_match(pattern: str, tmp_path: Path) -> None:
    touch(tmp_path, ["a.mkv"])
    with pytest.raises(UsageError, match=r"pattern|match"):
        discover([tmp_path / "a.mkv", tmp_path / pattern])


def test_patterns_enter_no_loops(tmp_path: Path) -> None:
    touch(tmp_path, ["a/x.mp4"])
    for name in "bcdef":
        (tmp_path / "a" / name).symlink_to("..")
    assert found(tmp_path / "**" / "*.mp4") == {"a/x.mp4": "video"}


# Results folder, order, refusals


def test_the_results_folder_is_skipped(tmp_path: Path) -> None:
    touch(tmp_path, ["a.mp4", "out/b.mp4", "sub/out/c.mp4"])
    assert found(tmp_path, out=tmp_path / "out") == {"a.mp4": "video", "sub/out/c.mp4": "video"}
    assert found(tmp_path, out=tmp_path / "not yet") == {
        "a.mp4": "video",
        "out/b.mp4": "video",
        "sub/out/c.mp4": "video",
    }
    (tmp_path / "link").symlink_to("out")
    assert found(tmp_path, out=tmp_path / "link") == {"a.mp4": "video", "sub/out/c.mp4": "video"}


def test_the_input_may_be_the_results_folder(tmp_path: Path) -> None:
    touch(tmp_path, ["a.mp4"])
    assert found(tmp_path, out=tmp_path) == {"a.mp4": "video"}


def test_two_inputs_with_one_name(tmp_path: Path) -> None:
    touch(tmp_path, ["x/a.mp4", "y/a.mp4"])
    with pytest.raises(UsageError) as caught:
        discover([tmp_path / "x", tmp_path / "y"])
    assert str(tmp_path / "x" / "a.mp4") in str(caught.value)
    assert str(tmp_path / "y" / "a.mp4") in str(caught.value)
    with pytest.raises(UsageError):
        discover([tmp_path / "x" / "a.mp4", tmp_path / "y" / "a.mp4"])
    with pytest.raises(UsageError):  # missing ones too
        discover([tmp_path / "v" / "a.mp4", tmp_path / "w" / "a.mp4"])


def test_two_files_of_one_stem_are_two_sources(tmp_path: Path) -> None:
    touch(tmp_path, ["a.mp4", "a.mkv", "a.MP4"])
    assert len(found(tmp_path)) == 3


@pytest.mark.parametrize("inputs", [[], ["folder"], ["folder", "folder/empty"]])
def test_nothing_found(inputs: list[str], tmp_path: Path) -> None:
    touch(tmp_path, ["folder/notes.txt"])
    (tmp_path / "folder" / "empty").mkdir()
    with pytest.raises(UsageError, match=r"expected videos or pictures, found none"):
        discover([tmp_path / name for name in inputs])


# Every byte but "/" and NUL; no leading dot, no known picture number.
file_names = st.binary(min_size=1, max_size=60).map(
    lambda raw: b"n" + raw.replace(b"/", b"_").replace(b"\0", b"_") + b".mp4"
)


@settings(deadline=None, max_examples=40)
@given(raw=st.sets(st.tuples(file_names, st.booleans()), min_size=1, max_size=12))
def test_any_names_in_bytewise_order(
    raw: set[tuple[bytes, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    top = tmp_path_factory.mktemp("names")
    wanted = sorted(b"sub\xff/" + name if deep else name for name, deep in raw)
    touch(top, wanted)
    sources = discover([top])
    assert [os.fsencode(source.relative) for source in sources] == wanted
    assert all(source.path.exists() for source in sources)
    assert sources == discover([top])


def test_the_longest_names(tmp_path: Path) -> None:
    long = ["é" * 123 + ".mp4", "x" * 251 + ".mkv", "new\nline 'and' \"quotes\" 😀.mp4"]
    touch(tmp_path, long)
    assert sorted(found(tmp_path)) == sorted(long)


def test_very_deep_folders(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(60):  # deeper than one path may be long
        os.mkdir("d" * 100, dir_fd=fd)
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    touch(tmp_path, ["a.mp4"])
    sources = discover([tmp_path])
    assert "a.mp4" in names(sources)
    (unreadable,) = [source for source in sources if source.relative != "a.mp4"]
    with pytest.raises(VideoError):
        open_decoder(unreadable)
