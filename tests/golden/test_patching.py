"""Parameters and shapes of patched networks, worked out by hand from the architectures."""

import pytest
import torch
from torchvision import models

from suture import HybridBuilder, transfer_weights

BUILDER = HybridBuilder()


def built(name: str, **options):
    return BUILDER.from_torchvision(name, weights=None, **options)


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("resnet18", {"num_classes": 10}, 11_181_642),
        ("resnet18", {"num_classes": 10, "patches": {"layer3": {"wrap": "se"}}}, 11_190_106),
        ("resnet18", {"num_classes": 10, "patches": {"layer3.1": {"wrap": "se"}}}, 11_190_106),
        ("resnet18", {"num_classes": 10, "patches": {"layer3": {"wrap": "cbam_block"}}}, 11_189_932),
        ("resnet18", {"num_classes": 10, "patches": {"layer3": {"inject": "eca"}}}, 11_181_647),
        ("resnet50", {"num_classes": 10}, 23_528_522),
        ("resnet50", {"num_classes": 100, "patches": {"layer3": {"wrap": "se"}}}, 23_845_092),
        (
            "resnet50",
            {"num_classes": 100, "patches": {"layer3": {"wrap": "se"}, "layer4": {"wrap": "cbam_block"}}},
            24_369_478,
        ),
        ("efficientnet_b4", {"num_classes": 200, "patches": {"features.5": {"wrap": "eca"}}}, 17_907_221),
        ("densenet121", {"num_classes": 10}, 6_964_106),
        ("mobilenet_v2", {"num_classes": 10}, 2_236_682),
    ],
)
def test_the_parameters_are_those_of_the_network_and_of_what_was_added(name, options, parameters):
    assert built(name, **options).count_parameters() == parameters


def test_resnet18_answers_and_gives_the_maps_of_its_stages():
    model = built("resnet18", num_classes=10)
    x = torch.rand(2, 3, 224, 224)
    assert model(x).shape == (2, 10)
    shapes = [tuple(one.shape[1:]) for one in model.get_stage_outputs(x)]
    assert shapes == [(64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]
    assert model.forward_features(x).shape == (2, 512, 7, 7)


@pytest.mark.parametrize(
    ("stages", "trainable"), [(None, 5_130), ([3], 8_398_858), ([2, 3], 10_498_570), ([0], 153_098), ([-1], 8_398_858)]
)
def test_a_frozen_resnet18_learns_in_its_head_and_the_stages_named(stages, trainable):
    model = built("resnet18", num_classes=10, freeze_backbone=True, unfreeze_stages=stages)
    assert model.count_parameters(trainable_only=True) == trainable
    model.unfreeze_all()
    assert model.count_parameters(trainable_only=True) == 11_181_642
    model.freeze_backbone(unfreeze_stages=stages)
    assert model.count_parameters(trainable_only=True) == trainable


def test_all_but_the_head_goes_over_to_a_network_of_other_classes():
    source, target = models.resnet18(weights=None), built("resnet18", num_classes=10)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    report = transfer_weights(source, target, exclude_patterns=["fc"])
    assert (len(report.loaded), len(report.missing)) == (120, 2)
    assert sorted(report.missing) == ["fc.bias", "fc.weight"]
    for name, tensor in target.state_dict().items():
        assert torch.equal(tensor, before[name] if name in report.missing else source.state_dict()[name])
