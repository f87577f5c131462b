"""Permits to write: a writer that was given up can do no harm, however late it comes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autrt.errors import ResultsError
from autrt.storage.atomic_file import Part, permit, sweep
from autrt.storage.presence import Presence


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def finish(part: Part, text: bytes) -> bool:
    """Write a file and give it its name; False where that is refused."""
    try:
        part.write(text)
        return part.commit()
    except ResultsError:
        return False
    finally:
        part.discard()


STEPS = st.lists(st.sampled_from(["give up", "open", "finish old", "finish new"]), max_size=8)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_writer_that_was_given_up_never_replaces_the_file(tmp_path_factory, steps):
    """Whatever the order of an old attempt, its driver and a new one: after "give up" the old one has no effect."""
    out = tmp_path_factory.mktemp("out")
    target, run = out / "a" / "video.mp4.h5", Presence(out, {})
    try:
        old = permit(target, run.path)
        writers: dict[str, Part] = {}
        opened = given_up = False
        expected = b""
        for step in steps:
            if step == "give up":
                old.unlink(missing_ok=True)
                given_up = True
            elif step == "open" and not opened and not given_up:
                opened = True
                writers["old"] = Part(target, old)
            elif step == "finish old" and (part := writers.pop("old", None)) is not None:
                assert finish(part, b"old") is not given_up
                expected = expected if given_up else b"old"
            elif step == "finish new" and given_up:
                assert finish(Part(target, permit(target, run.path)), b"new")
                expected = b"new"
        assert (target.read_bytes() if target.exists() else b"") == expected
    finally:
        run.close()


def test_writer_cannot_begin_without_its_permit(out):
    run = Presence(out, {})
    allowed = permit(out / "a.h5", run.path)
    allowed.unlink()
    with pytest.raises(ResultsError, match=r"cannot write .*a\.h5"):
        Part(out / "a.h5", allowed)
    run.close()


def test_permits_end_with_their_run_even_while_a_writer_lives(out):
    dead, living = Presence(out, {}), Presence(out, {})
    zombie = Part(out / "x" / "a.h5", permit(out / "x" / "a.h5", dead.path))
    kept = permit(out / "x" / "b.h5", living.path)
    dead.close()
    assert sweep(out) == 1
    assert kept.exists()
    assert finish(zombie, b"too late") is False
    assert not (out / "x" / "a.h5").exists()
    living.close()
    assert sweep(out) == 1
