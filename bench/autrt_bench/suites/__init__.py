"""The suites. A new one is a file here with a generator of groups, and a line in `SUITES` and `ABOUT`."""

from __future__ import annotations

from typing import Final

from autrt.extras import load_part
from autrt_bench.types import Suite

SUITES: Final = {
    "startup": "autrt_bench.suites.startup:startup",
    "engines": "autrt_bench.suites.engines:engines",
    "pipeline": "autrt_bench.suites.pipeline:pipeline",
    "profile": "autrt_bench.suites.profile:profile",
    "decode": "autrt_bench.suites.decode:decode",
    "gpu": "autrt_bench.suites.gpu:gpu",
    "loader": "autrt_bench.suites.loader:loader",
    "scaling": "autrt_bench.suites.scaling:scaling",
    "peers": "autrt_bench.suites.peers:peers",
    "quality": "autrt_bench.suites.quality:quality",
    "results": "autrt_bench.suites.results:results",
    "archive": "autrt_bench.suites.archive:archive",
    "cluster": "autrt_bench.suites.cluster:cluster",
    "identity": "autrt_bench.suites.identity:identity",
}
"""Name → "module:function" of an `autrt_bench.types.Suite`."""

ABOUT: Final = {
    "startup": "how long `autrt --help` takes, and `infer` to its first frame",
    "engines": "each engine, precision and batch size: latency, rows/s, GFLOP/s, share of a matrix product's",
    "pipeline": "`infer` from file to file, and each of its stages alone: frames/s, cores, share of the slowest",
    "profile": "`infer` over pictures and clips: processor time of each stage a frame, and where it is idle",
    "decode": "each decoder, codec and size: frames/s",
    "gpu": "the flow of a GPU's process (or in tensors on a CPU) beside its decoder and engine alone; its waits",
    "loader": "the training loaders: pictures/s (needs the train extra)",
    "scaling": "1 to 60 minutes, 1 to 8 videos, 1 to 5 faces: time and peak memory",
    "peers": "other programs on the same clip, in turns; each is installed into an environment of its own",
    "quality": "what each preset changes, against a detection in every frame in f32: decisions, AUs, landmarks",
    "results": "a folder of a thousand results: size of a short one, opening, resuming, verifying",
    "archive": "upkeep of 100,000 videos: status, index for resuming, data set, new decisions: time, peak memory",
    "cluster": "costs of a run on Ray, and simulated runs of 1 to 1000 nodes with them (needs the ray extra)",
    "identity": "changes of person that end a track, and tracks of one person that are split, in made-up films",
}
"""One line of description each, for `autrt bench list`."""

SELECTION: Final = ("startup", "engines", "pipeline", "decode")
"""Suites that run in their quick form if none is named: about three minutes."""


def find_suite(name: str) -> Suite:
    """Return a suite.

    Raises:
        UsageError: there is no such suite.
        MissingDependencyError: it needs a package that is not installed.
    """
    return load_part("suite", name, SUITES)
