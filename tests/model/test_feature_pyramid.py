from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autrt.model.feature_pyramid import FPN, SSH, Neck

CHANNELS, SIDES = (8, 16, 32, 64), (56, 28, 14, 7)


def _maps(seed: int = 0, *, grad: bool = False) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, c, side, side, generator=generator, requires_grad=grad)
        for c, side in zip(CHANNELS, SIDES, strict=True)
    ]


@pytest.mark.parametrize("fpn", [False, True])
@pytest.mark.parametrize("ssh_channels", [None, 12])
def test_neck_keeps_sides_and_states_its_channels(fpn: bool, ssh_channels: int | None) -> None:
    neck = Neck(CHANNELS, fpn=fpn, ssh_channels=ssh_channels)
    expected = [(2, ssh_channels or c, side, side) for c, side in zip(CHANNELS, SIDES, strict=True)]
    assert [tuple(level.shape) for level in neck(_maps())] == expected
    assert neck.channels == tuple(shape[1] for shape in expected)


def test_neck_without_methods_is_the_identity() -> None:
    neck, maps = Neck(CHANNELS, fpn=False, ssh_channels=None), _maps()
    assert not neck.state_dict()
    assert all(a is b for a, b in zip(neck(maps), maps, strict=True))


def test_fpn_adds_coarse_maps_to_finer_ones_only() -> None:
    fpn = FPN(CHANNELS)
    for i in range(4):
        maps = _maps(grad=True)
        fpn(maps)[i].square().sum().backward()
        assert [m.grad is not None for m in maps] == [j >= i for j in range(4)]


def test_fpn_adds_to_the_backbones_maps() -> None:
    fpn, maps = FPN(CHANNELS), _maps()
    for parameter in fpn.parameters():
        parameter.data.zero_()
    for level, own in zip(fpn(maps), maps, strict=True):
        assert torch.equal(level, own)


def _reference_step(weights: dict[str, Tensor], coarse: Tensor, fine: Tensor) -> Tensor:
    """Compute fine + conv(upconv(coarse)), with the transposed convolution scattered place by place."""
    _, side, _ = coarse.shape
    halved = weights["0.weight"].shape[1]
    # Kernel place (u, v) of source (i, j) lands on (2i − 1 + u, 2j − 1 + v); padding cuts off the rest.
    canvas = torch.zeros(halved, 2 * side + 2, 2 * side + 2, dtype=coarse.dtype)
    for i in range(side):
        for j in range(side):
            canvas[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += torch.einsum(
                "c,cduv->duv", coarse[:, i, j], weights["0.weight"]
            )
    up = canvas[:, 1:-1, 1:-1] + weights["0.bias"][:, None, None]
    padded = torch.nn.functional.pad(up, (1, 1, 1, 1))
    out = fine + weights["1.bias"][:, None, None]
    for u in range(3):
        for v in range(3):
            window = padded[:, u : u + 2 * side, v : v + 2 * side]
            out = out + torch.einsum("cd,dhw->chw", weights["1.weight"][:, :, u, v], window)
    return out


def test_fpn_equals_a_place_by_place_rewrite() -> None:
    fpn = FPN((4, 8)).double()
    coarse, fine = (
        torch.randn(1, 8, 5, 5, dtype=torch.float64),
        torch.randn(1, 4, 10, 10, dtype=torch.float64),
    )
    weights = {name.removeprefix("up.0."): t for name, t in fpn.state_dict().items()}
    with torch.no_grad():
        levels = fpn([fine, coarse])
    torch.testing.assert_close(levels[0][0], _reference_step(weights, coarse[0], fine[0]))
    assert torch.equal(levels[1], coarse)


def test_ssh_has_receptive_fields_of_3_5_and_7() -> None:
    ssh = SSH(4, 16).eval()
    for parameter in ssh.parameters():
        parameter.data.abs_()  # keeps the closing ReLU open
    x = torch.rand(1, 4, 15, 15, requires_grad=True)
    out = ssh(x)
    for channels, reach in ((slice(0, 8), 1), (slice(8, 12), 2), (slice(12, 16), 3)):
        (gradient,) = torch.autograd.grad(out[0, channels, 7, 7].sum(), x, retain_graph=True)
        seen = gradient[0].abs().sum(0) > 0
        window = slice(7 - reach, 8 + reach)
        assert bool(seen[window, window].all())
        assert int(seen.sum()) == (2 * reach + 1) ** 2


def test_ssh_has_the_published_size_and_is_not_negative() -> None:
    ssh = SSH(512, 64)
    convolutions = 9 * 512 * (32 + 16) + 3 * 9 * 16 * 16
    norms, slopes = 2 * (32 + 4 * 16), 2
    assert sum(p.numel() for p in ssh.parameters()) == convolutions + norms + slopes
    out = ssh(torch.randn(2, 512, 7, 7))
    assert out.shape == (2, 64, 7, 7)
    assert float(out.detach().min()) == 0
