"""The clips of `scripts/gpu-check` are what their names say, and a CPU's decoder gives what they expect."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import pytest

from autrt.video.pyav import PyavDecoder
from autrt_bench.gpu_check.barcodes import check_clip, check_damaged
from autrt_bench.gpu_check.checks import Failure
from autrt_bench.gpu_check.colours import check_colours
from autrt_bench.gpu_check.nvdec import decoder_limits
from autrt_bench.inputs import colour_clips
from autrt_bench.inputs.barcode_clips import CLIPS, BarcodeClip, number_of
from autrt_bench.inputs.broken_clips import BROKEN, DAMAGED, flip_payloads, write_broken

BY_NAME = {clip.name: clip for clip in CLIPS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


def packets_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def stamps_of(path: Path) -> list[int | None]:
    with av.open(str(path)) as container:
        return [packet.pts for packet in container.demux(video=0) if packet.size]


def nal_types(packet: bytes, *, hevc: bool) -> list[int]:
    """Types of the NAL units of a packet with lengths of four bytes."""
    types, i = [], 0
    while i < len(packet):
        head = packet[i + 4]
        types.append(head >> 1 & 63 if hevc else head & 31)
        i += 4 + int.from_bytes(packet[i : i + 4])
    return types


def shows_existing(packet: bytes) -> bool:
    """Whether a temporal unit of AV1 has a frame header that shows an earlier picture (section 5.9.2)."""
    i = 0
    while i < len(packet):
        kind, has_extension, size = packet[i] >> 3 & 15, packet[i] >> 2 & 1, 0
        i += 1 + has_extension
        for shift in range(0, 56, 7):
            size |= (packet[i] & 127) << shift
            i += 1
            if packet[i - 1] < 128:
                break
        if kind == 3 and packet[i] & 128:
            return True
        i += size
    return False


@pytest.mark.parametrize("name", BY_NAME)
def test_each_clip_has_its_pictures_and_its_reason(name: str, folder: Path) -> None:
    check_clip(name, "cpu", folder)


@pytest.mark.parametrize("name", [name for name, clip in BY_NAME.items() if not clip.cut_at_key])
def test_a_plain_decoder_reads_the_same_numbers(name: str, folder: Path) -> None:
    path = folder / name
    if not path.exists():
        BY_NAME[name].write(folder)
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert BY_NAME[name].is_shown_by([number_of(picture) for picture in pictures])


def test_a_picture_too_few_or_twice_is_noticed() -> None:
    clip = BarcodeClip(name="any.mp4", frames=4)
    assert clip.is_shown_by([0, 1, 2, 3])
    for numbers in ([0, 1, 2], [0, 1, 1, 3], [1, 0, 2, 3], [0, 1, 2, 3, 4]):
        assert not clip.is_shown_by(numbers)


def test_the_streams_are_what_their_names_say(folder: Path) -> None:
    def packets(name: str) -> list[bytes]:
        return packets_of(BY_NAME[name].write(folder))

    assert sum(map(shows_existing, packets("hierarchical.mkv"))) >= 5
    assert any(
        packet[-1] & 0xE0 == 0xC0 for packet in packets("vp9_alt_ref.webm")
    )  # ends in a superframe's index
    assert [i for i, packet in enumerate(packets("vp8_alt_ref.webm")) if not packet[0] & 0x10] == [7, 19]
    assert 21 in nal_types(packets("from_cra.mkv")[0], hevc=True)
    assert 5 not in nal_types(packets("without_idr.mkv")[0], hevc=False)
    assert any(21 in nal_types(packet, hevc=True) for packet in packets("open_gops.mkv")[1:])
    assert min(stamps_of(BY_NAME["negative.ts"].write(folder))) < 0
    assert min(stamps_of(BY_NAME["huge_ticks.mkv"].write(folder))) >= 1 << 31
    steps = np.diff(sorted(stamps_of(BY_NAME["variable.mkv"].write(folder))))
    assert len(set(steps)) > 3


@pytest.mark.parametrize("clip", colour_clips.CLIPS, ids=lambda clip: clip.name)
def test_colours_come_out_as_they_were_painted(clip: colour_clips.ColourClip, tmp_path: Path) -> None:
    check_colours(clip, "cpu", tmp_path)
    with av.open(str(clip.write(tmp_path))) as container:
        frame = next(container.decode(video=0))
    number, _, _ = colour_clips.MATRICES[clip.matrix]
    assert (frame.colorspace, frame.color_range) == (number, 2 if clip.full_range else 1)


def test_colours_by_another_matrix_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = colour_clips.MATRICES["BT.709"][0]
    wrong = {**colour_clips.MATRICES, "BT.601": (number, 0.299, 0.114)}
    monkeypatch.setattr(colour_clips, "MATRICES", wrong)
    with pytest.raises(Failure, match="other colours"):
        check_colours(colour_clips.ColourClip("BT.601", False), "cpu", tmp_path)


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_clips_lose_the_same_by_dali(name: str, folder: Path) -> None:
    check_damaged(name, "cpu", folder)


def test_the_payloads_that_are_named_are_flipped_alone(folder: Path) -> None:
    sound = BY_NAME["mpeg4.mp4"].write(folder)
    damaged = flip_payloads(sound, folder / "flipped.mp4", (3, 11))
    pairs = zip(packets_of(sound), packets_of(damaged), strict=True)
    assert [i for i, (a, b) in enumerate(pairs) if a != b] == [3, 11]
    with closing(PyavDecoder(damaged)) as decoder:
        list(decoder)
        assert decoder.lost


def test_broken_files_are_broken(tmp_path: Path) -> None:
    written = write_broken(tmp_path)
    sound = {path.name: path.read_bytes() for path in (tmp_path / "sound").iterdir()}
    assert len(written) == len(BROKEN) * len(sound)
    for name, content in sound.items():
        assert all((tmp_path / f"{kind}_{name}").read_bytes() != content for kind in BROKEN)


NVCUVID = """
#include <stddef.h>
typedef int cudaVideoCodec; typedef int cudaVideoChromaFormat;
typedef struct {
    cudaVideoCodec eCodecType; cudaVideoChromaFormat eChromaFormat;
    unsigned int nBitDepthMinus8, reserved1[3];
    unsigned char bIsSupported, nNumNVDECs;
    unsigned short nOutputFormatMask;
    unsigned int nMaxWidth, nMaxHeight, nMaxMBCount;
    unsigned short nMinWidth, nMinHeight;
    unsigned char bIsHistogramSupported, nCounterBitDepth;
    unsigned short nMaxHistogramBins;
    unsigned int reserved3[10];
} CUVIDDECODECAPS;
int cuvidGetDecoderCaps(CUVIDDECODECAPS *caps) {
    if (caps->eChromaFormat != 1 || caps->nBitDepthMinus8 != 0) return 1;
    caps->bIsSupported = caps->eCodecType != 11;
    caps->nNumNVDECs = 7;
    caps->nMinWidth = 48; caps->nMinHeight = 16; caps->nMaxWidth = 4096; caps->nMaxHeight = 2304;
    for (int i = 0; i < 10; i++) caps->reserved3[i] = 0;
    return 0;
}
int cuInit(unsigned f) { return 0; }
int cuDeviceGet(int *d, int i) { *d = i; return 0; }
int cuDevicePrimaryCtxRetain(void **c, int d) { *c = (void *)1; return 0; }
int cuCtxSetCurrent(void *c) { return c == (void *)1 ? 0 : 201; }
"""


def test_nvdecs_limits_are_read_from_the_drivers_structure(tmp_path: Path) -> None:
    library = tmp_path / "libnvcuvid.so"
    try:
        command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library]
        subprocess.run(command, input=NVCUVID, text=True, check=True)
    except OSError:
        pytest.skip("there is no C compiler")
    found = decoder_limits("cuda:0", str(library), str(library))
    assert set(found) == {"mpeg4", "h264", "hevc", "vp8", "vp9"}
    assert (found["hevc"].smallest, found["hevc"].largest, found["hevc"].decoders) == (
        (48, 16),
        (4096, 2304),
        7,
    )
    assert found["h264"].include((4096, 16))
    assert not found["h264"].include((4096, 2305))
