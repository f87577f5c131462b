"""Teach a student's body by uncoded real faces: `python scripts/real_body.py START FACES OUT [--excluding CODED]`.

FACES is a folder of `*.npz`, each with `jpeg` and `offset` (picture i is `jpeg[offset[i]:offset[i + 1]]`,
136×136, its middle 112×112 the aligned crop), `path`, and MediaPipe's blendshapes `blend` (N, 52) with their
`names`. The body learns the blendshapes (mean of left and right), the seven words in paths as `fer/data/WORD/…`,
and to keep START's AU logits. Its landmarks and presence follow START's on the same crops and on badly placed ones.
Codes have no part in it, and people of the table CODED are left out, so that those whom an AU layer is judged on
are new to the body too.
"""

from __future__ import annotations

import argparse
import copy
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import cv2
import numpy as np
import torch
from coded_table import COUNTED
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss
from widen import widen

from autrt.engine.parity import read_reference
from autrt.model.export import save_model
from autrt.model.folder import load_model
from autrt.model.load import load_network
from autrt.model.student import LANDMARK_UNIT_PX, Student
from autrt.types import CROP_SIZE_PX, F32, I64, U8, Bool

WORDS: Final = ("happy", "neutral", "sad", "fear", "angry", "surprise", "disgust")
SHARES: Final = {"fer": 0.42, "mux": 0.28, "congress": 0.08, "clips": 0.06, "clipsb": 0.05, "webmorph": 0.03}
"""Share of a file's pictures in a batch; the others have `OTHER_SHARE`."""
OTHER_SHARE: Final = 0.04
ONE_SIDED: Final = ("_neutral", "jawLeft", "jawRight", "mouthLeft", "mouthRight")
LEAST_SPREAD: Final = 0.03
MARGIN_PX: Final = 12
BATCH: Final = 64
MISPLACED: Final = 16
"""Badly placed crops beside a batch's: they teach landmarks and presence alone."""
MISPLACED_SPREAD: Final = (2.0, 15.0)
"""How many times as far as usual a badly placed crop is off, from … to."""
PEAK: Final = 1e-3
WORD_WEIGHT, START_WEIGHT, LANDMARK_WEIGHT, PRESENCE_WEIGHT = 0.3, 0.5, 1.0, 0.3
LANDMARK_BETA: Final = 0.05
"""Error of a landmark, in units of 4 px, from which its loss grows linearly."""
EMA: Final = 0.998


@dataclass(frozen=True, kw_only=True)
class Faces:
    """N uncoded pictures."""

    pixels: U8
    """(N, 136, 136, 3) RGB."""
    shapes: F32
    """(N, S) standardised roots of the blendshapes that move."""
    word: I64
    """(N,) row of `WORDS`, or −1."""
    chance: F32
    """(N,) chance of being drawn."""


def stem(name: str) -> str:
    """Return a file's name without its ending and a number at its end."""
    text = PurePosixPath(name.split("#")[0]).stem
    match = COUNTED.fullmatch(text)
    return match[1] if match else text


def read_faces(folder: Path, excluded: set[str]) -> Faces:
    """Read all files of a folder; people whose `stem` is excluded are never drawn."""
    pixels, shapes, words, chances = list[U8](), list[F32](), list[I64](), list[F32]()
    for path in sorted(folder.glob("*.npz")):
        file = np.load(path)
        names: list[str] = file["path"].tolist()
        pixels.append(_decode(file["jpeg"], file["offset"]))
        shapes.append(_symmetric(file["blend"].astype(np.float32), file["names"].tolist()))
        parts = [PurePosixPath(name).parts for name in names]
        found = [WORDS.index(p[-2]) if p[0] == "fer" and p[-2] in WORDS else -1 for p in parts]
        words.append(np.array(found, np.int64))
        free = np.array(
            [p[0] == "fer" or stem(name) not in excluded for p, name in zip(parts, names, strict=True)]
        )
        chances.append(_chance(free, SHARES.get(path.stem, OTHER_SHARE)))
    roots = np.sqrt(np.clip(np.concatenate(shapes), 0, 1))
    roots = roots[:, roots.std(axis=0) > LEAST_SPREAD]
    standard = np.clip((roots - roots.mean(axis=0)) / roots.std(axis=0), -4, 4).astype(np.float32)
    chance = np.concatenate(chances)
    print(f"{np.count_nonzero(chance)} of {len(chance)} pictures", flush=True)
    return Faces(
        pixels=np.concatenate(pixels),
        shapes=standard,
        word=np.concatenate(words),
        chance=chance / chance.sum(),
    )


def _chance(free: Bool, share: float) -> F32:
    return (free * (share / max(1, int(free.sum())))).astype(np.float32)


def _decode(jpeg: U8, offset: I64) -> U8:
    ends = zip(offset[:-1].tolist(), offset[1:].tolist(), strict=True)
    pictures: list[Any] = [cv2.imdecode(jpeg[a:b], cv2.IMREAD_COLOR) for a, b in ends]
    return np.stack(pictures)[..., ::-1]


def _symmetric(values: F32, names: list[str]) -> F32:
    columns = list[F32]()
    for i, name in enumerate(names):
        if name in ONE_SIDED or name.endswith("Right"):
            continue
        pair = names.index(name[:-4] + "Right") if name.endswith("Left") else i
        columns.append(((values[:, i] + values[:, pair]) / 2).astype(np.float32))
    return np.stack(columns, axis=1)


def augment(picture: U8, rng: np.random.Generator, spread: float = 1) -> F32:
    """Return a (112, 112, 3) crop, misplaced, mirrored, blurred, shrunk, compressed, grey, of another exposure.

    Args:
        picture: (136, 136, 3).
        rng: random numbers.
        spread: how many times as far as usual the crop is misplaced.
    """
    scale, turn = (
        np.exp(0.04 * spread * rng.standard_normal()),
        np.deg2rad(2.5 * spread * rng.standard_normal()),
    )
    shift, side = 1.5 * spread * rng.standard_normal(2), -1 if rng.random() < 0.5 else 1
    cosine, sine = np.cos(turn) * scale, np.sin(turn) * scale
    matrix = np.array([[cosine * side, -sine, 0], [sine * side, cosine, 0]], np.float32)
    middle = (CROP_SIZE_PX - 1) / 2
    matrix[:, 2] = middle + MARGIN_PX + shift - matrix[:, :2] @ np.full(2, middle)
    size = (CROP_SIZE_PX, CROP_SIZE_PX)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    x: Any = cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    chance, amount = rng.random(8), rng.uniform(-1, 1, 6)
    if chance[0] < 0.25:
        small = int(CROP_SIZE_PX / rng.uniform(1.3, 3.2))
        x = cv2.resize(cv2.resize(x, (small, small), interpolation=cv2.INTER_AREA), size)
    elif chance[1] < 0.2:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.5, 1.8))
    if chance[2] < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 75))]
        x = cv2.imdecode(cv2.imencode(".jpg", x, quality)[1], cv2.IMREAD_COLOR)
    y: F32 = x.astype(np.float32)
    if chance[3] < 0.15:
        y = np.repeat(y.mean(axis=2, keepdims=True), 3, axis=2)
    if chance[4] < 0.7:
        y = (y - y.mean()) * (1 + 0.25 * amount[0]) + y.mean()
    if chance[5] < 0.7:
        y = y * (1 + 0.25 * amount[1])
    if chance[6] < 0.5:
        y = y * (1 + 0.08 * amount[2:5]).astype(np.float32)
    if chance[7] < 0.3:
        y = (255 * (np.clip(y, 0, 255) / 255) ** float(np.exp(0.35 * amount[5]))).astype(np.float32)
    return np.clip(y, 0, 255).astype(np.float32)


def as_input(pictures: list[F32] | U8) -> torch.Tensor:
    """Return (B, 3, 112, 112) in −1…1."""
    x = torch.from_numpy(np.ascontiguousarray(np.stack(list(pictures)), np.float32))
    return (x.permute(0, 3, 1, 2) - 127.5) / 127.5


@torch.inference_mode()
def start_answers(network: Student, pixels: U8) -> torch.Tensor:
    """Return (N, A) probabilities of the start, of crops and their mirror images."""
    inner, out = slice(MARGIN_PX, MARGIN_PX + CROP_SIZE_PX), list[torch.Tensor]()
    for at in range(0, len(pixels), 128):
        x = as_input(pixels[at : at + 128, inner, inner])
        out.append((network(x)["logits"] + network(x.flip(3))["logits"]) / 2)
    return torch.sigmoid(torch.cat(out))


@torch.no_grad()
def head_answers(network: Student, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the start says of these very crops: landmarks (B, 5, 2) and probabilities of presence (B, 1)."""
    outputs = network(x)
    return outputs["landmarks"], torch.sigmoid(outputs["presence"])


def head_loss(
    outputs: dict[str, torch.Tensor], landmarks: torch.Tensor, present: torch.Tensor
) -> torch.Tensor:
    """Return the loss of landmarks, where the start sees a face, and of presence."""
    error = (outputs["landmarks"] - landmarks) / LANDMARK_UNIT_PX
    far = smooth_l1_loss(error, torch.zeros_like(error), beta=LANDMARK_BETA, reduction="none").mean((1, 2))
    lost = binary_cross_entropy_with_logits(outputs["presence"], present)
    return LANDMARK_WEIGHT * (far * present[:, 0]).mean() + PRESENCE_WEIGHT * lost


def teach(start: Student, faces: Faces, pictures: int, seed: int, width: int | None = None) -> Student:
    """Return a copy of the start, or a wider one, taught on so many pictures: the moving average of its weights."""
    torch.manual_seed(seed)
    rng, steps = np.random.default_rng(seed), pictures // BATCH
    answers, shapes, words = (
        start_answers(start.eval(), faces.pixels),
        *map(torch.from_numpy, (faces.shapes, faces.word)),
    )
    network = copy.deepcopy(start) if width is None else widen(start, width)
    for module in (start, network.train()):
        module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    heads = torch.nn.ModuleList(
        torch.nn.Linear(network.au.in_features, n) for n in (shapes.shape[1], len(WORDS))
    )
    for parameter in heads.parameters():
        torch.nn.init.zeros_(parameter)
    seen: list[torch.Tensor] = []
    network.au.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    free = [*network.parameters(), *heads.parameters()]
    optimiser, mean = torch.optim.AdamW(free, weight_decay=0.02), copy.deepcopy(network.state_dict())
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = PEAK * min(1, step / 200) * (0.5 + 0.5 * np.cos(np.pi * step / steps)) + 1e-6
        rows = rng.choice(
            len(faces.chance), BATCH, p=faces.chance.astype(np.float64) / faces.chance.sum(dtype=np.float64)
        )
        outputs = network(x := as_input([*crops(faces.pixels, rows, rng)]))
        logits, z, said = outputs["logits"][:BATCH], seen.pop()[:BATCH], words[rows] >= 0
        loss = smooth_l1_loss(heads[0](z), shapes[rows])
        loss = loss + START_WEIGHT * binary_cross_entropy_with_logits(logits, answers[rows])
        if said.any():
            lost = cross_entropy(heads[1](z)[said], words[rows][said], label_smoothing=0.1)
            loss = loss + WORD_WEIGHT * said.float().mean() * lost
        loss = loss + head_loss(outputs, *head_answers(start, x))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(free, 5.0)
        optimiser.step()
        _average(mean, network.state_dict(), min(EMA, (1 + step) / (10 + step)))
        if step % 100 == 99:
            print(f"{step + 1} of {steps} steps: loss {loss.item():.3f}", flush=True)
    network.load_state_dict(mean)
    return network.eval()


def crops(pixels: U8, rows: I64, rng: np.random.Generator) -> Iterator[F32]:
    """Yield a batch's crops, then badly placed ones of its first pictures."""
    for row in rows.tolist():
        yield augment(pixels[row], rng)
    least, most = np.log(MISPLACED_SPREAD)
    for row in rows[:MISPLACED].tolist():
        yield augment(pixels[row], rng, float(np.exp(rng.uniform(least, most))))


@torch.no_grad()
def _average(mean: dict[str, torch.Tensor], now: dict[str, torch.Tensor], keep: float) -> None:
    for name, value in now.items():
        if value.dtype.is_floating_point:
            mean[name].mul_(keep).add_(value, alpha=1 - keep)
        else:
            mean[name].copy_(value)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("start")
    parser.add_argument("faces", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--excluding", type=Path, help="table of coded pictures with a column `original`")
    parser.add_argument("--pictures", type=int, default=45_000, help="drawn in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, help="a wider student's, which begins as the start's equal")
    given = parser.parse_args()
    excluded = set[str]()
    if given.excluding is not None:
        with given.excluding.open(newline="") as file:
            excluded = {stem(row["original"]) for row in csv.DictReader(file)}
    opened = load_model(given.start)
    start = load_network(opened.members[0])
    assert isinstance(start, Student), "a student's body is taught"
    taught = teach(start, read_faces(given.faces, excluded), given.pictures, given.seed, given.width)
    save_model(
        given.out,
        taught,
        crops=read_reference(opened.members[0])[0],
        licence=opened.licence,
        thresholds=opened.thresholds.tolist(),
        smoothing_windows=opened.smoothing_windows.tolist(),
        training={"summary": "A body taught MediaPipe's blendshapes and expression words of real faces."},
        overwrite=True,
    )


if __name__ == "__main__":
    main()
