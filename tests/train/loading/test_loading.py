"""The Loader contract, over every loader that can run here, and both against a plain, slow warp."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from autrt.errors import UsageError
from autrt_train.join_indices import join_indices
from autrt_train.loading.augment import AugmentConfig, draw_batch
from autrt_train.loading.loader import LOADERS, Loader, open_loader
from autrt_train.loading.loader_rate import loader_rate
from autrt_train.loading.to_device import to_device
from autrt_train.read_recipe import read_recipe
from autrt_train.types import MISSING, DataError, Index

MARGIN = 16
SIDE = 112 + 2 * MARGIN
COUNT = 11
PICTURE_BYTES = 3 * SIDE * SIDE
STUDENT = AugmentConfig(jitter_probability=0.6, shift_px=4, scale=0.06, rotation_deg=8)
GEOMETRY = replace(STUDENT, jitter_probability=0)
NONE = AugmentConfig.none()


@dataclass(frozen=True)
class Case:
    name: str
    cached: int = 0
    """Pictures that fit into memory."""

    def __str__(self) -> str:
        return f"{self.name}{f'-cache{self.cached}' if self.cached else ''}"

    def open(self, index: Index, **options) -> Loader:
        options = {"threads": 2, "prefetch": 2, "cache_bytes": self.cached * PICTURE_BYTES, **options}
        return open_loader(self.name, index, **options)


HAS_DALI = find_spec("nvidia") is not None and find_spec("nvidia.dali") is not None
CASES = [Case("opencv"), Case("opencv", COUNT), Case("opencv", 4), *([Case("dali")] if HAS_DALI else [])]
every_loader = pytest.mark.parametrize("case", CASES, ids=str)


def make_index(paths, **changes):
    n = len(paths)
    plain = {
        "paths": np.array([bytes(path) for path in paths]),
        "label_names": ("AU1", "AU12"),
        "labels": (np.arange(2 * n).reshape(n, 2) % 3 - 1).astype(np.int8),
        "video": np.zeros(n, np.int32),
        "video_names": ("a",),
        "frame": np.arange(1, n + 1, dtype=np.int32),
        "person": np.full(n, MISSING, np.int32),
        "margin_px": MARGIN,
    }
    return Index(**{**plain, **changes})


@pytest.fixture(scope="module")
def pictures():
    """Noise, blurred by a different amount each: sharp edges everywhere, and colours of all kinds."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (COUNT, SIDE, SIDE, 3), np.uint8)
    return np.stack([p if not i else cv2.GaussianBlur(p, (0, 0), i / 3) for i, p in enumerate(noise)])


@pytest.fixture(scope="module")
def index(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp("pictures ä")
    paths = [folder / f"{i}.png" for i in range(COUNT)]
    for path, picture in zip(paths, pictures, strict=True):
        assert cv2.imwrite(str(path), picture[..., ::-1])
    return make_index(paths)


def draws(index, config=STUDENT, sizes=(4, 4, 3), seed=0):
    at = 0
    for size in sizes:
        positions = np.arange(at, at + size, dtype=np.int64)
        yield draw_batch(positions % len(index), positions, 0, seed, config, index.margin_px)
        at += size


def loaded(case, index, config=STUDENT, sizes=(4, 4, 3), **options):
    with closing(case.open(index, **options)) as loader:
        return list(loader.load(draws(index, config, sizes)))


def pixels_of(batches):
    return np.concatenate([batch.pixels for batch in batches])


def slow_draw(picture, matrix, colour):
    """The definition: look every crop pixel up in the picture, clamped, bilinear; then the colour matrix."""
    y, x = np.mgrid[:112, :112]
    whole = np.vstack([matrix.astype(np.float64), [0, 0, 1]])
    sx, sy, _ = np.linalg.solve(whole, np.stack([x.ravel(), y.ravel(), np.ones(112 * 112)]))
    x0, y0 = np.floor(sx).astype(int), np.floor(sy).astype(int)
    out = np.zeros((112 * 112, 3))
    for dx in (0, 1):
        for dy in (0, 1):
            weight = (sx - x0 if dx else 1 - sx + x0) * (sy - y0 if dy else 1 - sy + y0)
            at = np.clip(y0 + dy, 0, SIDE - 1), np.clip(x0 + dx, 0, SIDE - 1)
            out += weight[:, None] * picture[at]
    crop = np.rint(out)
    coloured = np.rint(crop @ colour[:, :3].astype(np.float64).T + colour[:, 3])
    return np.clip(coloured, 0, 255).reshape(112, 112, 3)


def assert_alike(found, expected, config):
    """Within a grey level; with colour within two, but for the few levels that strong colour matrices multiply."""
    difference = np.abs(found.astype(int) - expected.astype(int))
    assert difference.mean() < 0.1
    if config.jitter_probability == 0:
        assert difference.max() <= 1
    else:
        assert difference.max() <= 3
        assert (difference > 2).mean() < 1e-5


@every_loader
@pytest.mark.parametrize("config", [GEOMETRY, STUDENT], ids=["geometry", "colour"])
def test_loader_warps_pictures_as_defined(case, index, pictures, config):
    found = pixels_of(loaded(case, index, config))
    planned = list(draws(index, config))
    matrices, colours = (
        np.concatenate([getattr(d, name) for d in planned]) for name in ("matrices", "colours")
    )
    assert {bool(f) for d in planned for f in d.flipped} == {True, False}
    expected = np.stack([slow_draw(*how) for how in zip(pictures, matrices, colours, strict=True)])
    assert_alike(found, expected, config)


@pytest.mark.skipif(not HAS_DALI, reason="DALI is not installed")
@pytest.mark.parametrize(
    "config", [GEOMETRY, STUDENT, read_recipe("paper").augment], ids=["geometry", "colour", "paper"]
)
def test_loaders_agree(index, config):
    sizes = (11,) * 6
    opencv, dali = (pixels_of(loaded(Case(name), index, config, sizes)) for name in ("opencv", "dali"))
    assert_alike(opencv, dali, config)


@every_loader
def test_unaugmented_batch_is_the_central_crop(case, index, pictures):
    found = pixels_of(loaded(case, index, NONE))
    np.testing.assert_array_equal(found, pictures[:, MARGIN:-MARGIN, MARGIN:-MARGIN])


@every_loader
def test_batches_keep_their_order_and_labels(case, index):
    rng = np.random.default_rng(1)
    known = replace(
        index,
        targets=rng.random((COUNT, 2), np.float32),
        classes=rng.integers(-1, 7, COUNT).astype(np.int32),
        presence=rng.integers(-1, 2, COUNT).astype(np.int8),
    )
    batches = loaded(case, known, NONE, sizes=(5, 5, 5, 5, 2))
    assert [len(batch) for batch in batches] == [5, 5, 5, 5, 2]
    rows = np.arange(22) % COUNT
    np.testing.assert_array_equal(np.concatenate([b.rows for b in batches]), rows)
    for name in ("labels", "targets", "classes", "presence"):
        found = np.concatenate([getattr(b, name) for b in batches])
        np.testing.assert_array_equal(found, getattr(known, name)[rows], err_msg=name)
    assert all(b.landmarks is None for b in batches)
    assert all(b.targets is None and b.classes is None and b.presence is None for b in loaded(case, index))


@every_loader
def test_landmarks_follow_the_augmented_picture(case, tmp_path):
    """One bright dot a picture, at one landmark; in a mirrored picture it is the other side's."""
    points = np.array([[38, 52], [74, 50], [56, 70], [42, 92], [70, 94]], np.float32)
    y, x = np.mgrid[:SIDE, :SIDE]
    paths = []
    for k, (px, py) in enumerate(points + MARGIN):
        dot = 250 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 1.5**2))
        paths.append(tmp_path / f"{k}.png")
        cv2.imwrite(str(paths[-1]), np.repeat(dot[..., None], 3, 2).astype(np.uint8))
    landmarks = np.tile(points, (5, 1, 1))
    landmarks[1, 2] = np.nan
    index = make_index(paths, landmarks=landmarks)
    planned = list(draws(index, GEOMETRY, sizes=(5,) * 8))
    with closing(case.open(index)) as loader:
        batches = list(loader.load(planned))
    y, x = np.mgrid[:112, :112]
    for draw, batch in zip(planned, batches, strict=True):
        for k in range(5):
            shine = batch.pixels[k].sum(2).astype(float)
            centroid = np.array([(x * shine).sum(), (y * shine).sum()]) / shine.sum()
            shown_as = [1, 0, 2, 4, 3][k] if draw.flipped[k] else k
            np.testing.assert_allclose(batch.landmarks[k, shown_as], centroid, atol=0.3)
        assert np.isnan(batch.landmarks[1, 2]).all()
    assert {bool(f) for d in planned for f in d.flipped} == {True, False}


@every_loader
def test_pixels_depend_only_on_the_draw(case, index):
    once = pixels_of(loaded(case, index, sizes=(11, 11)))
    again = pixels_of(loaded(case, index, sizes=(5, 5, 5, 5, 2), threads=1, prefetch=5))
    np.testing.assert_array_equal(once, again)


@every_loader
def test_loader_loads_again_and_twice_at_a_time(case, index):
    with closing(case.open(index)) as loader:
        expected = pixels_of(loader.load(draws(index)))
        pairs = list(zip(loader.load(draws(index)), loader.load(draws(index)), strict=True))
        assert list(loader.load([])) == []
    for side in range(2):
        np.testing.assert_array_equal(pixels_of([pair[side] for pair in pairs]), expected)


@every_loader
def test_rectangles_are_painted_last(case, index):
    plain = pixels_of(loaded(case, index))
    erased = pixels_of(loaded(case, index, replace(STUDENT, erase=0.7)))
    planned = draws(index, replace(STUDENT, erase=0.7))
    boxes = np.concatenate([draw.erased for draw in planned if draw.erased is not None])
    assert 0 < (boxes[:, 2] > 0).sum() < COUNT
    for before, after, (x0, y0, x1, y1) in zip(plain, erased, boxes, strict=True):
        assert (after[y0:y1, x0:x1] == 127).all()
        outside = np.ones((112, 112), bool)
        outside[y0:y1, x0:x1] = False
        np.testing.assert_array_equal(before[outside], after[outside])


@every_loader
def test_pictures_of_a_wider_margin_are_cut_as_they_are_read(case, index, pictures, tmp_path):
    """As crops of `autrt crop` beside Aff-Wild2's, which have no margin."""
    narrow = [tmp_path / f"{i}.png" for i in range(COUNT)]
    for path, picture in zip(narrow, pictures, strict=True):
        cv2.imwrite(str(path), picture[4:-4, 4:-4, ::-1])
    alone = make_index(narrow, margin_px=MARGIN - 4)
    both = join_indices([alone, index])
    assert (len(both), both.margin_px) == (2 * COUNT, MARGIN - 4)
    found = pixels_of(loaded(case, both.take(slice(COUNT, None))))
    np.testing.assert_array_equal(found, pixels_of(loaded(case, alone)))
    assert len(pixels_of(loaded(case, both, sizes=(11, 11)))) == 2 * COUNT
    wrong = replace(both, margin_px=MARGIN - 5)
    with pytest.raises(DataError, match="and 15 around"):
        loaded(case, wrong.take(slice(COUNT, None)))


def missing(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("not a picture\n" * 20)


def cut_png(path):
    path.write_bytes(path.read_bytes()[:5000])


def cut_jpeg(path):
    _, data = cv2.imencode(".jpg", np.full((SIDE, SIDE, 3), 90, np.uint8))
    path.write_bytes(data.tobytes()[:-20])


def wrong_size(path):
    cv2.imwrite(str(path), np.zeros((112, 112, 3), np.uint8))


@every_loader
@pytest.mark.parametrize("spoil", [missing, empty, text, cut_png, cut_jpeg, wrong_size])
def test_loader_names_a_bad_picture(case, index, tmp_path, spoil, capfd):
    paths = [tmp_path / f"{i}.png" for i in range(COUNT)]
    for path, good in zip(paths, index.paths, strict=True):
        path.write_bytes(Path(good.decode()).read_bytes())
    spoil(paths[6])
    before = threading.active_count()
    with pytest.raises(DataError) as told:
        loaded(case, make_index(paths))
    assert str(told.value).startswith(f"{paths[6]}: expected a ")
    assert threading.active_count() == before
    capfd.readouterr()  # libraries' own complaints


@every_loader
def test_loader_passes_on_errors_of_draws(case, index):
    def failing():
        yield from draws(index)
        raise KeyError("no more")

    before = threading.active_count()
    with closing(case.open(index)) as loader, pytest.raises(KeyError, match="no more"):
        list(loader.load(failing()))
    assert threading.active_count() == before


@every_loader
def test_loader_closed_early_stops_its_threads(case, index):
    taken = []

    def endless():
        while True:
            for draw in draws(index, sizes=(11,)):
                taken.append(draw)
                yield draw

    before = threading.active_count()
    with closing(case.open(index)) as loader:
        batches = loader.load(endless())
        next(batches)
        next(batches)
        batches.close()
        assert threading.active_count() == before
        assert len(taken) <= 2 + 2 + 1  # those handed out, those under way
        with pytest.raises(StopIteration):
            next(batches)


def test_cached_pictures_are_read_from_disk_once(index, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(COUNT)]
    for path, good in zip(paths, index.paths, strict=True):
        path.write_bytes(Path(good.decode()).read_bytes())
    own = make_index(paths)
    with closing(Case("opencv", 8).open(own)) as loader:
        first = pixels_of(loader.load(draws(own)))
        for path in paths[:8]:
            path.unlink()
        np.testing.assert_array_equal(pixels_of(loader.load(draws(own))), first)
        paths[8].unlink()
        with pytest.raises(DataError, match=paths[8].name):
            list(loader.load(draws(own)))


def test_jpegs_look_alike_to_both_decoders(pictures, tmp_path):
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), pictures[6][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    own = make_index([path])
    for case in CASES:
        (batch,) = loaded(case, own, NONE, sizes=(1,))
        expected = pictures[6, MARGIN:-MARGIN, MARGIN:-MARGIN].astype(int)
        assert np.abs(batch.pixels[0] - expected).mean() < 4, str(case)


def test_loaders_are_opened_by_name(index):
    assert set(LOADERS) == {"opencv", "dali"}
    with pytest.raises(UsageError, match="no loader is called 'pil'; known: opencv, dali"):
        open_loader("pil", index)
    assert isinstance(open_loader("opencv", index), Loader)


@pytest.mark.skipif(not HAS_DALI, reason="DALI is not installed")
def test_dali_refuses_a_picture_cache(index):
    with pytest.raises(UsageError, match=r"loader\.cache_gb = 0"):
        open_loader("dali", index, cache_bytes=1)


@every_loader
def test_loader_rate_is_measured_and_leaves_no_thread(case, index):
    before = threading.active_count()
    with closing(case.open(index)) as loader:
        assert loader_rate(loader, index, STUDENT, batch=8, duration_s=0.05) > 0
    assert threading.active_count() == before


def test_to_device_keeps_the_pixels(index):
    (batch,) = loaded(Case("opencv"), index, sizes=(11,))
    pixels = to_device(batch, torch.device("cpu"))
    assert pixels.dtype == torch.uint8
    np.testing.assert_array_equal(pixels.numpy(), batch.pixels)


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_DALI, reason="DALI is not installed")
def test_dali_on_a_gpu_draws_what_opencv_draws(index):
    device = torch.device("cuda:0")
    on_gpu = [to_device(batch, device) for batch in loaded(Case("dali"), index, device="cuda:0")]
    assert all(pixels.is_cuda for pixels in on_gpu)
    opencv = [to_device(batch, device).cpu().numpy() for batch in loaded(Case("opencv"), index)]
    assert_alike(np.concatenate([pixels.cpu().numpy() for pixels in on_gpu]), np.concatenate(opencv), STUDENT)
