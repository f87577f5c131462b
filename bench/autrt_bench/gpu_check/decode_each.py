"""`python -m autrt_bench.gpu_check.decode_each DEVICE FILE…`: decode each file, and print a JSON line about it.

A process of its own, as a file may crash the decoder that reads it.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from autrt.errors import DeviceError, VideoError
from autrt.video.decoded_sample import MisdecodedError


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a file."""

    name: str
    frames: int
    error: str = ""
    """Reason for which it cannot be read; empty where it can."""
    fallback: str = ""
    """Reason for which PyAV decoded it."""


def decode(path: Path, device: str) -> Decoded:
    """Decode a file, every picture of which must be there.

    Raises:
        DeviceError: the GPU failed.
    """
    from autrt.gpu.dali import DaliDecoder

    frames = 0
    try:
        with closing(DaliDecoder(path, device)) as decoder:
            for frame in decoder:
                frame.image.thumbnail(16, 9)
                frames += 1
            return Decoded(path.name, frames, fallback=decoder.fallback or "")
    except DeviceError:
        raise
    except MisdecodedError as error:  # a run does such a video anew by PyAV
        return Decoded(path.name, frames, fallback=str(error))
    except VideoError as error:
        return Decoded(path.name, frames, error=str(error))


def main(device: str, paths: list[str]) -> None:
    """Decode all files, one after the other."""
    for path in paths:
        print(json.dumps(asdict(decode(Path(path), device))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
