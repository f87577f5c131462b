"""The sizes that DALI's cache of decoders confuses."""

from __future__ import annotations

from autrt.gpu.decoder_cache import MOST_IDLE, DecoderCache

H200, SMALL = 140 << 30, 8 << 30


def test_a_cropped_video_after_a_whole_one_of_its_coded_size_is_refused() -> None:
    cache = DecoderCache(H200)
    assert cache.admit("h264", (1280, 544), (1280, 544)) is None
    assert cache.admit("h264", (1280, 544), (1280, 544)) is None
    assert "1280×544" in (cache.admit("h264", (1280, 544), (1280, 536)) or "")
    assert cache.admit("hevc", (1280, 544), (1280, 536)) is None


def test_a_whole_video_after_a_cropped_one_of_its_size_is_refused() -> None:
    cache = DecoderCache(H200)
    assert cache.admit("hevc", (1920, 1088), (1920, 1080)) is None
    assert cache.admit("hevc", (1920, 1080), (1920, 1080)) is not None


def test_cropped_videos_are_taken_while_their_idle_decoders_find_room() -> None:
    large, small = DecoderCache(H200), DecoderCache(SMALL)
    full_hd = ("h264", (1920, 1088), (1920, 1080))
    assert not any(large.admit(*full_hd) for _ in range(3 * MOST_IDLE))
    refused = [small.admit(*full_hd) is not None for _ in range(MOST_IDLE)]
    assert 10 < refused.index(True) < MOST_IDLE
    assert small.admit("h264", (640, 352), (640, 352)) is None


def test_whole_videos_of_many_sizes_are_taken_while_there_is_room_and_known_sizes_always() -> None:
    cache = DecoderCache(SMALL)
    sizes = [(1920, 1088 - 16 * i) for i in range(MOST_IDLE)]
    taken = [size for size in sizes if cache.admit("hevc", size, size) is None]
    assert sizes[0] in taken
    assert 10 < len(taken) < len(sizes)
    assert all(cache.admit("hevc", size, size) is None for size in taken)


def test_nothing_is_refused_for_room_where_the_memory_is_not_known() -> None:
    cache = DecoderCache(0)
    full_hd = ("h264", (1920, 1088), (1920, 1080))
    assert not any(cache.admit(*full_hd) for _ in range(3 * MOST_IDLE))
