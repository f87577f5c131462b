"""Single frames by their times are those that the whole video's decoder yields."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from autrt.errors import VideoError
from autrt.types import Source
from autrt.video.open import open_decoder
from autrt.video.seek import frames_at
from tests.support.media import Clip


def test_frames_by_time_are_those_of_the_decoder(tmp_path):
    path = tmp_path / "a.mp4"
    Clip().write(path)
    with closing(open_decoder(Source(path, "a.mp4", "video"))) as decoder:
        frames = {frame.pts: frame.image.rgb() for frame in decoder}
    wanted = sorted(frames)[::5]
    found = frames_at(path, [*wanted, max(frames) + 10**6, wanted[0] + 1])
    assert sorted(found) == wanted
    for pts in wanted:
        np.testing.assert_array_equal(found[pts].rgb(), frames[pts])


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_text("no")
    with pytest.raises(VideoError):
        frames_at(tmp_path / "a.mp4", [0])
    Clip(frames=3, audio=True).write(tmp_path / "b.mp4")
    with pytest.raises(VideoError, match="no such video stream"):
        frames_at(tmp_path / "b.mp4", [0], stream_index=1)
