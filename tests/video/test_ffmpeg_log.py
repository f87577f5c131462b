"""FFmpeg's messages are caught for the file that they are about, and for nobody else."""

from __future__ import annotations

import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av.logging
import pytest

from autrt.types import Source
from autrt.video.open import open_decoder
from autrt.video.pyav_compat import LOG_IS_CHEAP
from tests.support.media import Clip, flipped

pytestmark = pytest.mark.skipif(
    not LOG_IS_CHEAP, reason="this release of PyAV has a log that is too slow to use"
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "sound.avi"
    return Clip("mpeg4", frames=60, grain=12, options={"b": "1M"}).write(path)


def reasons(path: Path) -> set[str]:
    decoder = open_decoder(Source(path, path.name, "video"))
    for _ in decoder:
        pass
    decoder.close()
    return {loss.reason for loss in decoder.lost}


def test_messages_go_to_their_own_file_among_threads(sound: Path, tmp_path: Path) -> None:
    bad = flipped(sound, tmp_path / "bad.avi", count=40)
    alone = reasons(bad)
    assert any("the decoder found damage" in reason for reason in alone)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(reasons, [bad, sound] * 6))
    assert found == [alone, set()] * 6


def test_log_of_pyav_is_left_as_it_was(sound: Path) -> None:
    decoder = open_decoder(Source(sound, sound.name, "video"))
    assert av.logging.get_level() == av.logging.ERROR
    decoder.close()
    decoder.close()
    assert av.logging.get_level() is None
    assert av.logging.get_skip_repeated()
    assert logging.getLogger("libav").level == logging.WARNING


def test_messages_of_others_stay_unseen(sound: Path, capfd: pytest.CaptureFixture[str]) -> None:
    decoder = open_decoder(Source(sound, sound.name, "video"))
    av.logging.log(av.logging.ERROR, "other", "of another's file\n")
    decoder.close()
    assert capfd.readouterr() == ("", "")
    assert decoder.lost == []


def test_log_that_others_use_goes_on(sound: Path, caplog: pytest.LogCaptureFixture) -> None:
    av.logging.set_level(av.logging.WARNING)
    try:
        decoder = open_decoder(Source(sound, sound.name, "video"))
        av.logging.log(av.logging.WARNING, "other", "of another's file\n")
        decoder.close()
        assert av.logging.get_level() == av.logging.WARNING
    finally:
        av.logging.set_level(None)
    assert "of another's file" in caplog.messages


def test_log_is_let_go_with_a_decoder_that_nobody_closed(sound: Path) -> None:
    decoder = open_decoder(Source(sound, sound.name, "video"))
    assert next(iter(decoder)).index == 0
    del decoder
    gc.collect()
    assert av.logging.get_level() is None
