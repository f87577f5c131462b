"""Decoder of an intact file from a frame within it on."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from av.error import FFmpegError
from av.video.frame import VideoFrame

from autrt.settings import MAX_PIXELS
from autrt.types import Frame, Loss, VideoInfo
from autrt.video.container import open_container
from autrt.video.decoder_setup import set_decoder
from autrt.video.ffmpeg_log import FFmpegLog
from autrt.video.frame_reader import CENTRED_CHROMA, FrameReader
from autrt.video.from_key import pictures_from, seek_before
from autrt.video.packet_scan import IrregularFileError, PacketScan
from autrt.video.stream_choice import ranked_streams


class SectionDecoder:
    """An `autrt.types.Decoder` of a scanned file; its frames are those that `PyavDecoder` gives from a row on.

    Whatever is not as the scan says ends the iteration with an error, so that nothing is lost, marked as damaged or
    given another time unnoticed.

    Args:
        scan: of the file.
        entry_row: row of a frame at `scan.entry_pts`.
        max_pixels: frames of more pixels are refused before they are decoded.
    """

    lost: Sequence[Loss] = ()
    repaired_times = 0

    def __init__(self, scan: PacketScan, entry_row: int, max_pixels: int = MAX_PIXELS) -> None:
        self._scan, self._entry_row = scan, entry_row
        self._log = FFmpegLog()
        try:
            self._container = open_container(scan.info.path)
            self._stream = ranked_streams(self._container)[0]
            set_decoder(self._stream, max_pixels)
        except BaseException:
            self._log.close()
            raise

    @property
    def info(self) -> VideoInfo:
        """Facts about the whole video."""
        return self._scan.info

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame from the entry to the end of the video.

        Raises:
            IrregularFileError: a frame is damaged, is missing, or has another time or size than the scan says.
        """
        pts, time_s = self._scan.pts, self._scan.time_s
        row, reader = self._entry_row, None
        try:
            with closing(self._pictures()) as pictures:
                for picture in pictures:
                    if row >= len(pts) or picture.pts != pts[row]:
                        raise IrregularFileError(f"frame {row} is not decoded in its place")
                    if picture.is_corrupt:
                        raise IrregularFileError(f"frame {row} is damaged")
                    reader = reader or self._reader(picture)
                    image = reader.image(picture)
                    yield Frame(index=row, pts=int(pts[row]), time_s=float(time_s[row]), image=image)
                    row += 1
        except FFmpegError as error:
            raise IrregularFileError(f"frame {row} cannot be decoded: {error.strerror}") from error
        if row < len(pts):
            raise IrregularFileError(f"frame {row} cannot be reached from the key frame before it")

    def close(self) -> None:
        """Close the file; frames that were yielded stay valid."""
        self._container.close()
        self._log.close()

    def _pictures(self) -> Generator[VideoFrame, None, None]:
        key_pts = int(self._scan.pts[self._entry_row])
        if self._entry_row:  # else the file was just opened, at its start
            seek_before(self._container, self._stream, key_pts)
        return pictures_from(self._container, self._stream, self._log, key_pts)

    def _reader(self, first: VideoFrame) -> FrameReader:
        info, way = self._scan.info, self._scan.way
        size = (first.height, first.width) if way.transposed else (first.width, first.height)
        if size != (info.width, info.height):
            raise IrregularFileError("its frames change in size")
        codec = self._stream.codec_context.codec.canonical_name
        return FrameReader(first, way, codec in CENTRED_CHROMA, self._stream.codec_context)
