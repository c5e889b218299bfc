"""Which cuts there are, what they are called, and what they cost."""

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from graph.networks import Block, InPlace, Loose, Moody, ResNet20, Tied, Tiny, loaded
from suture.graph import Traced, trace
from suture.spec.cut import Layout

BLOCKS = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1, 2)]


def names(traced: Traced, fine: bool = False) -> list[str]:
    return [cut.name for cut in traced.cuts(fine)]


def test_block_cuts_of_a_plain_network_are_its_activations() -> None:
    traced = trace(Tiny(), torch.rand(2, 3, 32, 32))
    assert traced.tracer == "fx"
    assert traced.why is None
    assert names(traced) == [f"relu{number}" for number in range(1, 9)]
    assert len(traced.cuts(fine=True)) == 25


def test_block_cuts_of_a_residual_network_are_its_blocks() -> None:
    traced = trace(ResNet20(), torch.rand(2, 3, 32, 32))
    assert names(traced) == ["bn1", *BLOCKS]
    assert {"relu", "mean", "layer2.1.add"} <= set(names(traced, fine=True))
    assert [cut.name for cut in traced.cuts(fine=True) if cut.block] == names(traced)


def test_a_loaded_network_needs_no_example_and_hides_its_body() -> None:
    traced = trace(loaded(ResNet20()))
    assert names(traced) == ["bn1", *BLOCKS]
    assert names(traced, fine=True)[0] == "preprocess"
    assert not any(cut.name.startswith("body") for cut in traced.cuts(fine=True))


def test_a_body_with_a_layer_called_preprocess_keeps_it() -> None:
    body = nn.Sequential()
    body.add_module("preprocess", nn.Conv2d(3, 4, 3))
    body.add_module("act", nn.ReLU())
    body.add_module("last", nn.Conv2d(4, 2, 3))
    network = loaded(body).eval()
    traced = trace(network)
    assert names(traced, fine=True) == ["preprocess_", "preprocess", "act"]
    encoder, decoder = traced.split("act")
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(decoder(encoder(images)), network(images))
    assert encoder.state_dict().keys() | decoder.state_dict().keys() == network.state_dict().keys()


def test_names_and_aliases_of_resnet18() -> None:
    traced = trace(torchvision.models.resnet18(), torch.rand(2, 3, 224, 224))
    blocks = [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert names(traced) == ["relu", "maxpool", *blocks, "avgpool"]
    assert traced.find("layer2").name == "layer2.1"
    assert traced.find("layer1.0.relu").name == "layer1.0"
    assert traced.find("layer2.1.add").aliases == ("add_3",)
    assert traced.find("flatten").layout is Layout.NC
    assert traced.parameters == 11_689_512
    assert traced.macs == 1_814_073_344
    relu = traced.find("relu")
    assert (relu.shape, relu.stride, relu.layout) == ((64, 112, 112), 2.0, Layout.NCHW)
    assert (relu.params_before, relu.macs_before) == (64 * 3 * 49 + 128, 64 * 3 * 49 * 112 * 112)
    for cut in traced.cuts(fine=True):
        assert cut.params_before + cut.params_after == traced.parameters
        assert cut.macs_before + cut.macs_after == traced.macs


def test_attention_is_counted() -> None:
    traced = trace(torchvision.models.VisionTransformer(32, 16, 2, 2, 24, 48), torch.rand(2, 3, 32, 32))
    tokens, width = 5, 24
    block = tokens * width * (3 * width + width + 2 * 2 * width) + 2 * tokens * tokens * width
    first, second = traced.find("encoder.layers.encoder_layer_0"), traced.find("encoder")
    assert second.macs_before - first.macs_before == block
    assert first.layout is Layout.NLC
    assert (first.cells, first.extra, first.stride) == ((2, 2), 1, 16.0)


def test_layouts_of_a_swin_transformer() -> None:
    network = torchvision.models.SwinTransformer([2, 2], 12, [2, 1], [2, 2], [2, 2])
    traced = trace(network, torch.rand(2, 3, 32, 32))
    layouts = {cut.name: cut.layout for cut in traced.cuts()}
    assert layouts["features.0.0"] is Layout.NCHW
    assert layouts["features.1.1"] is Layout.NHWC
    assert layouts["permute"] is Layout.NCHW
    cut = traced.find("features.1.0")
    assert (cut.shape, cut.grid, cut.channels, cut.stride) == ((16, 16, 12), (16, 16), 12, 2.0)


class Folded(nn.Module):
    """A grid made of tokens, told apart by nothing but its shape."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 5, 4, 4)
        self.mix = nn.Linear(5, 5)
        self.fold = Fold()
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fold(self.mix(self.embed(x).flatten(2).transpose(1, 2)))
        return self.head(x.amax((1, 2)))


class Fold(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, 4, 4, 5)


def test_a_grid_folded_from_tokens_has_its_channels_last() -> None:
    assert trace(Folded(), torch.rand(2, 3, 16, 16)).find("fold").layout is Layout.NHWC


def test_a_module_called_twice_is_named_by_its_calls() -> None:
    traced = trace(Tied(), torch.rand(2, 3, 8, 8))
    fine = names(traced, fine=True)
    assert fine[:6] == ["first", "act@1", "shared@1", "act@2", "shared", "act@3"]
    assert traced.find("act").name == "act"
    assert traced.find("a").layout is Layout.NC
    shared = 4 * 4 * 9 + 4
    first = traced.find("act@1").params_before
    assert traced.find("shared@1").params_before == first + shared
    assert traced.find("shared").params_before == first + shared
    assert traced.parameters == sum(parameter.numel() for parameter in Tied().parameters())


def test_ways_that_differ_in_train_mode_are_left_out() -> None:
    traced = trace(Moody(), torch.rand(2, 3, 8, 8))
    assert names(traced, fine=True)[:2] == ["stem", "relu"]
    assert "calm" not in names(traced, fine=True)
    assert "wild" not in names(traced, fine=True)


def test_numbers_from_the_batch_size_cross_no_cut() -> None:
    traced = trace(Loose(), torch.rand(2, 3, 8, 8))
    assert {"conv", "cat", "norm"} <= set(names(traced, fine=True))
    network = traced.network.eval()
    for cut in traced.cuts(fine=True):
        encoder, decoder = traced.split(cut.name)
        for size in (1, 5):
            images = torch.rand(size, 3, 8, 8)
            assert torch.allclose(decoder(encoder(images)), network(images), atol=1e-6)


class Windows(nn.Module):
    """Works on windows, with as many entries on axis 0 as there are windows in the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.mix = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = x.reshape(-1, 4, 2, 4, 2, 4).permute(0, 2, 4, 1, 3, 5).reshape(-1, 4, 4, 4)
        x = self.mix(x)
        return self.head(x.reshape(-1, 4, 4, 4, 4).mean((1, 2, 3)))


def test_windows_are_no_images() -> None:
    assert names(trace(Windows(), torch.rand(2, 3, 8, 8)), fine=True) == [
        "conv",
        "reshape",
        "permute",
        "reshape_2",
        "mean",
    ]


class Dead(nn.Module):
    """Computes what nobody reads: a pure value, which is dropped, and statistics, which are not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.spare = nn.Conv2d(4, 4, 1)
        self.statistics = nn.BatchNorm2d(4)
        self.last = nn.Conv2d(4, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        y = torch.tanh(x)
        F.softplus(self.spare(x))
        self.statistics(x)
        return self.last(y).mean((2, 3))


def test_what_nobody_reads_blocks_no_cut_unless_it_leaves_a_trace() -> None:
    network = Dead()
    traced = trace(network, torch.rand(2, 3, 8, 8))
    assert "conv" in names(traced, fine=True)
    assert "tanh" not in names(traced, fine=True)
    network.train()
    encoder, decoder = traced.split("conv")
    decoder(encoder(torch.rand(2, 3, 8, 8)))
    assert network.statistics.num_batches_tracked == 1


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor, scale: float = 2.0, *, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.conv(x) * scale if bias is None else self.conv(x) + bias
        features = x.mean((2, 3))
        return self.fc(features), features


def test_other_arguments_keep_their_defaults_and_outputs_their_structure() -> None:
    network = Both().eval()
    traced = trace(network, torch.rand(2, 3, 8, 8))
    assert traced.tracer == "fx"
    assert names(traced, fine=True) == ["conv", "mul", "mean"]
    images = torch.rand(3, 3, 8, 8)
    encoder, decoder = traced.split("mean")
    ours, theirs = decoder(encoder(images)), network(images)
    assert isinstance(ours, tuple)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_an_example_of_one_image_or_of_many_will_do() -> None:
    for count in (1, 7):
        assert len(trace(InPlace(), torch.rand(count, 3, 8, 8)).cuts(fine=True)) >= 4


def test_a_block_without_a_shortcut_is_no_residual_block() -> None:
    traced = trace(nn.Sequential(Plain(), Block(4, 4, 1), nn.Conv2d(4, 2, 3)), torch.rand(2, 3, 8, 8))
    assert names(traced) == ["0.one", "0", "1"]


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3)
        self.two = nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x))
