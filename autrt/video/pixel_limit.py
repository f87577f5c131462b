"""The largest picture that is decoded: a small file can state one that takes gigabytes."""

from __future__ import annotations

from typing import Final

from av.video.stream import VideoStream

from autrt.errors import VideoError

_MARGIN: Final = 1 << 20
_FFMPEG_MAX: Final = (1 << 31) - 1


def require_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise where a picture has more than `max_pixels` pixels, before it is decoded.

    Raises:
        VideoError: it has; the message names the option that lets it through.
    """
    if width * height > max_pixels:
        raise VideoError(
            f"{width}×{height} are {width * height:,} pixels, more than the limit of {max_pixels:,}: raise it "
            f"with --max-pixels {width * height} (a picture takes about {3e-9 * width * height:.1f} GB of memory)"
        )


def limit_decoder(stream: VideoStream, max_pixels: int) -> None:
    """Refuse a stream of too many pixels, and keep its decoder from frames of more that may come in mid-stream.

    Raises:
        VideoError: its stated size is above the limit.
    """
    require_pixels(stream.width, stream.height, max_pixels)
    # Decoders round sizes up to whole blocks and lines of memory, and FFmpeg compares these.
    with_margin = max_pixels * 5 // 4 + _MARGIN
    stream.codec_context.options = {"max_pixels": str(min(with_margin, _FFMPEG_MAX))}


def limit_hint(stream: VideoStream, max_pixels: int) -> str:
    """Return words about the limit for a packet that failed because of it, as far as can be seen; else nothing."""
    width, height = stream.codec_context.width, stream.codec_context.height
    if not width or not height:  # FFmpeg refused the size and forgot it
        return f" (perhaps a frame of more than {max_pixels:,} pixels: raise the limit with --max-pixels)"
    try:
        require_pixels(width, height, max_pixels)
    except VideoError as error:
        return f" ({error})"
    return ""
