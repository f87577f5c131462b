"""Vision transformers: against torch's own encoder, published names and sizes, training, export and engines."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from autrt.engine.graph import Graph  # noqa: E402
from autrt.engine.open import open_engine  # noqa: E402
from autrt.engine.parity import check_parity  # noqa: E402
from autrt.errors import UsageError  # noqa: E402
from autrt.model.architectures import build_network  # noqa: E402
from autrt.model.checkpoint import import_checkpoint  # noqa: E402
from autrt.model.export import save_model  # noqa: E402
from autrt.model.folder import Model  # noqa: E402
from autrt.model.load import load_network  # noqa: E402
from autrt.model.presets import preset  # noqa: E402
from autrt.model.vit import ViTConfig, ViTNetwork  # noqa: E402
from tests.support.models import pixels  # noqa: E402
from tests.support.networks import random_crops  # noqa: E402

TINY = ViTConfig(width=32, depth=2, heads=2, drop_path=0.0)
State = dict[str, Tensor]


def lively(network: ViTNetwork, seed: int = 0) -> ViTNetwork:
    """The network with parameters that all matter to its outputs, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            around = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            parameter.copy_(around + 0.2 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


@pytest.fixture(scope="module")
def vit_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of a small random transformer with registers."""
    network = lively(ViTNetwork(ViTConfig(width=32, depth=2, heads=2, registers=2)))
    folder = tmp_path_factory.mktemp("models") / "random-vit"
    return save_model(folder, network, crops=pixels(8, seed=5), licence="CC0-1.0")


def test_blocks_agree_with_torchs_own_encoder() -> None:
    """`nn.TransformerEncoderLayer` has the same arithmetic under other names, without layer scale."""
    network = lively(ViTNetwork(ViTConfig(width=32, depth=2, heads=4, layer_scale=False)))
    layer = nn.TransformerEncoderLayer(
        32, 4, 128, dropout=0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    )
    encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(32, 1e-6), enable_nested_tensor=False).eval()
    names = {
        "norm1": "norm1", "attn.qkv": "self_attn.in_proj", "attn.proj": "self_attn.out_proj",
        "norm2": "norm2", "mlp.fc1": "linear1", "mlp.fc2": "linear2",
    }  # fmt: skip
    state: State = {f"norm.{kind}": network.state_dict()[f"norm.{kind}"] for kind in ("weight", "bias")}
    for i in range(2):
        for ours, theirs in names.items():
            joint = "_" if theirs.endswith("in_proj") else "."
            for kind in ("weight", "bias"):
                state[f"layers.{i}.{theirs}{joint}{kind}"] = network.state_dict()[f"blocks.{i}.{ours}.{kind}"]
    encoder.load_state_dict(state)
    crops = random_crops(3)
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    with torch.no_grad():
        x = ((crops + 1) / 2 - mean) / std
        patches = x.unfold(2, 14, 14).unfold(3, 14, 14).permute(0, 2, 3, 1, 4, 5).reshape(3, 64, -1)
        proj = network.patch_embed.proj
        tokens = patches @ proj.weight.flatten(1).T + proj.bias
        tokens = torch.cat([network.cls_token.expand(3, -1, -1), tokens], 1) + network.pos_embed
        out = encoder(tokens)
        expected = torch.cat([out[:, 0], out[:, 1:].mean(1)], 1)
        found = network(crops)
    torch.testing.assert_close(found["features"], expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found["logits"], network.au(expected), rtol=1e-4, atol=1e-4)


def _published(config: ViTConfig, side: int) -> State:
    """Entries as DINOv2's and MAE's files have them: a mask token, and `side`² positions that rise from left to
    right and from top to bottom."""
    network = lively(ViTNetwork(config))
    state = {
        name: tensor.clone() for name, tensor in network.state_dict().items() if not name.startswith("au.")
    }
    y, x = torch.meshgrid(*[(torch.arange(side) + 0.5) / side] * 2, indexing="ij")
    ramp = torch.stack([x, y], 2).reshape(1, side**2, 2).repeat(1, 1, config.width // 2)
    state["pos_embed"] = torch.cat([torch.full((1, 1, config.width), 7.0), ramp], 1)
    return {**state, "mask_token": torch.zeros(1, config.width)}


def test_checkpoint_of_larger_pictures_keeps_its_places(tmp_path: Path) -> None:
    torch.save(_published(TINY, 37), tmp_path / "dinov2.pth")
    network = ViTNetwork(TINY)
    report = import_checkpoint(network, tmp_path / "dinov2.pth")
    assert report.left == ("mask_token",)
    assert set(report.fresh) == {"au.weight", "au.bias"}
    positions = network.pos_embed.detach()[0]
    assert (positions[0] == 7).all()
    grid = positions[1:].reshape(8, 8, 32)
    middle = (torch.arange(8) + 0.5) / 8
    torch.testing.assert_close(grid[2:6, 2:6, 0], middle[2:6].expand(4, 4), rtol=0, atol=2e-3)
    torch.testing.assert_close(grid[2:6, 2:6, 1], middle[2:6, None].expand(4, 4), rtol=0, atol=2e-3)


def test_checkpoint_of_the_same_size_is_taken_as_it_is(tmp_path: Path) -> None:
    config = ViTConfig(width=32, depth=2, heads=2, patch=16, layer_scale=False)
    state = {**_published(config, 7), "decoder_blocks.0.norm1.weight": torch.ones(4)}
    torch.save({"model": state, "epoch": 800}, tmp_path / "mae.pth")
    network = ViTNetwork(config)
    report = import_checkpoint(network, tmp_path / "mae.pth")
    assert set(report.left) == {"mask_token", "decoder_blocks.0.norm1.weight"}
    own = network.state_dict()
    assert all(torch.equal(own[name], state[name]) for name in report.matched)


def _transformers(state: State, root: str) -> State:
    """The same entries under the names of Hugging Face's transformers."""
    ends = {
        "norm1": "norm1" if "dinov2" in root else "layernorm_before",
        "norm2": "norm2" if "dinov2" in root else "layernorm_after",
        "attn.proj": "attention.output.dense",
        "mlp.fc1": "mlp.fc1" if "dinov2" in root else "intermediate.dense",
        "mlp.fc2": "mlp.fc2" if "dinov2" in root else "output.dense",
    }
    tops = {
        "cls_token": "embeddings.cls_token", "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
        "register_tokens": "embeddings.register_tokens", "mask_token": "embeddings.mask_token",
        "norm.weight": "layernorm.weight", "norm.bias": "layernorm.bias",
    }  # fmt: skip
    out: State = {}
    for name, tensor in state.items():
        if name in tops:
            out[root + tops[name]] = tensor
            continue
        _, number, *middle, kind = name.split(".")
        part, start = ".".join(middle), f"{root}encoder.layer.{number}."
        if part == "attn.qkv":
            for which, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                out[f"{start}attention.attention.{which}.{kind}"] = rows.clone()
        elif kind == "gamma":
            out[f"{start}layer_scale{part[-1]}.lambda1"] = tensor
        else:
            out[f"{start}{ends[part]}.{kind}"] = tensor
    return out


@pytest.mark.parametrize(
    ("config", "root"),
    [
        (TINY, ""),
        (ViTConfig(width=32, depth=2, heads=2, registers=4), "dinov2_with_registers."),
        (ViTConfig(width=32, depth=2, heads=2, patch=16, layer_scale=False), "vit."),
    ],
)
def test_names_of_transformers_are_known(config: ViTConfig, root: str, tmp_path: Path) -> None:
    state = _published(config, config.places)
    renamed = _transformers(state, root or "dinov2.")
    if not root:
        renamed = {name.removeprefix("dinov2."): tensor for name, tensor in renamed.items()}
    save_file(renamed, tmp_path / "model.safetensors")
    network = ViTNetwork(config)
    report = import_checkpoint(network, tmp_path / "model.safetensors")
    assert set(report.fresh) == {"au.weight", "au.bias"}
    own = network.state_dict()
    assert all(torch.equal(own[name], state[name]) for name in report.matched if name in state)


def test_checkpoint_of_another_size_is_refused(tmp_path: Path) -> None:
    torch.save(_published(TINY, 37), tmp_path / "small.pth")
    with pytest.raises(UsageError, match=r"blocks\.\d.*expects"):
        import_checkpoint(ViTNetwork(ViTConfig(width=32, depth=3, heads=2)), tmp_path / "small.pth")
    torch.save(_published(ViTConfig(width=32, depth=2, heads=2, registers=4), 8), tmp_path / "reg.pth")
    with pytest.raises(UsageError, match="register_tokens"):
        import_checkpoint(ViTNetwork(TINY), tmp_path / "reg.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch": 15}, "a divisor of 112"),
        ({"width": 100}, "a multiple of"),
        ({"drop_path": 1.0}, "a probability"),
        ({"window": 7}, "no setting 'window'"),
    ],
)
def test_settings_are_checked(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_network({"name": "vit", **change})


@pytest.mark.parametrize("name", ["vit-small-14", "vit-base-14", "vit-small-16", "vit-base-16"])
def test_presets_have_the_published_sizes(name: str) -> None:
    config = preset(name)
    assert isinstance(config, ViTConfig)
    with torch.device("meta"):
        network = ViTNetwork(config)
    backbone = sum(p.numel() for n, p in network.named_parameters() if not n.startswith(("au.", "pos_embed")))
    blocks = config.depth * (12 * config.width**2 + (13 + 2 * config.layer_scale) * config.width)
    patches = 3 * config.patch**2 * config.width + config.width
    assert backbone == blocks + patches + 3 * config.width  # class token and the last norm


def test_crops_skip_branches_in_training_alone() -> None:
    network = lively(ViTNetwork(ViTConfig(width=32, depth=2, heads=2, drop_path=0.5)))
    crops = random_crops(1).expand(16, -1, -1, -1)
    with torch.no_grad():
        still = network(crops)["logits"]
        moving = network.train()(crops)["logits"]
    torch.testing.assert_close(still, still[:1].expand_as(still))
    assert len(moving.unique(dim=0)) > 2


def test_model_folder_round_trip(vit_model: Model) -> None:
    network = load_network(vit_model.members[0])
    assert isinstance(network, ViTNetwork)
    assert network.config.registers == 2
    assert vit_model.members[0].architecture["name"] == "vit"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_engines_agree_with_torch(engine: str, vit_model: Model, tmp_path: Path) -> None:
    pytest.importorskip(engine)
    graph = Graph.of(vit_model.members[0])
    with closing(open_engine(graph, engine=engine, cache=tmp_path)) as opened:
        parity = check_parity(opened, vit_model.members[0], by_torch=True)
    assert parity.errors["logits"].max < 1e-4


def test_tensorrt_rtx_builds_it_in_fp16(vit_model: Model, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    from autrt.engine.build import build

    (report,) = build(vit_model, engine="tensorrt-rtx", precision="fp16", targets=("sm89",), cache=tmp_path)
    assert report.parity.errors["logits"].max < 0.05
    assert "fp16" in {layer.precision for layer in report.layers}
