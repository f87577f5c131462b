"""Settings of FFmpeg's decoders."""

from __future__ import annotations

from av.codec.context import Flags
from av.video.stream import VideoStream

from autrt.video.pixel_limit import limit_decoder


def set_decoder(stream: VideoStream, max_pixels: int) -> None:
    """Have the decoder of a stream keep all pictures, and work in the caller's thread.

    With several threads some codecs (H.264, HEVC, VP9, AV1, MPEG-2) decode other pixels of damaged files with
    each number of them, H.264 with frame threads even from run to run; and FFmpeg's messages are not caught.

    Args:
        stream: nothing of it was decoded yet.
        max_pixels: frames of more pixels are refused before they are decoded.
    """
    limit_decoder(stream, max_pixels)
    stream.thread_type = "NONE"  # pyright: ignore[reportAttributeAccessIssue]
    stream.thread_count = 1
    # Without it, H.264 and HEVC drop every picture that a lost one precedes, up to the next key frame.
    stream.codec_context.flags |= Flags.output_corrupt
