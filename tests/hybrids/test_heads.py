"""The head is the layer that runs last, whatever was declared last."""

import pytest
import torch
from torch import Tensor, nn

from raising import raises
from suture.errors import PlanError
from suture.hybrids import head, new_head, parent, stitch
from suture.sources import load


class Backwards(nn.Module):
    """Declares its head first, and another linear layer after it."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 5)
        self.conv, self.relu, self.mid = nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Linear(4, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mid(self.relu(self.conv(x)).mean((2, 3))))


def test_a_decoder_is_given_a_new_head_in_the_place_of_its_own():
    torch.manual_seed(0)
    images = torch.rand(4, 3, 32, 32)
    hybrid = stitch("zoo:tiny10@none", Backwards(), ("relu5", "relu"), example=images, classes=3)
    assert head(hybrid.decoder)[0] == "head"
    assert hybrid.decoder.head.out_features == 3
    assert hybrid.decoder.mid.out_features == 6
    assert hybrid(images).shape == (4, 3)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("zoo:lenet@none", "body.fc3"),
        ("zoo:resnet20@none", "body.fc"),
        ("torchvision:mobilenet_v2@none?size=32", "body.classifier.1"),
        ("torchvision:googlenet@none?size=64", "body.fc"),
        ("timm:vit_tiny_patch16_224@none", "body.head"),
    ],
)
def test_a_network_is_given_a_new_head(source, name):
    network = load(source)
    before = [p.requires_grad for p in network.parameters()]
    assert head(network)[0] == name
    assert [p.requires_grad for p in network.parameters()] == before
    new_head(network, 3, seed=1)
    with torch.no_grad():
        assert network(torch.rand(2, 3, 32, 32)).shape == (2, 3)
    first, again = head(network)[1].weight.clone(), load(source)
    new_head(again, 3, seed=1)
    assert torch.equal(head(again)[1].weight, first)


def test_a_network_of_two_heads_is_refused_and_told_what_to_do():
    network = load("timm:deit_tiny_distilled_patch16_224@none")
    with raises(PlanError, "2 layers side by side: body.head, body.head_dist", "suture fuse"):
        new_head(network, 3)
    side = parent(network)
    with raises(PlanError, "2 layers side by side"):
        new_head(side.traced.split("norm")[1], 3)


def test_a_network_that_ends_in_no_linear_layer_says_in_what_it_ends():
    network = load("torchvision:squeezenet1_0@none?size=64")
    with raises(PlanError, "ends in no linear layer, but in body.classifier.1, a Conv2d"):
        head(network)
    with raises(PlanError, "ends in no linear layer"):
        head(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
