"""Two real ImageNet backbones on a real task, and the counts of the preset."""

import pytest
import torch

import suture
from suture.data.dataset import DataSet, Split
from suture.data.images import ArrayImages
from suture.data.load import load_data
from suture.evaluation import evaluate
from suture.recipes.context import Context
from suture.recipes.staged import of_fusion, train_stages
from suture.runs import RunFolder
from suture.sources import load
from suture.spec.fuse import FuseStep
from suture.spec.recipe import Recipe
from suture.spec.stage import Stage


def parameters(module: torch.nn.Module, learning: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not learning)


def test_hybrid_cnn_has_exactly_the_parameters_of_its_parts():
    names = ["torchvision:resnet50@none?size=64", "torchvision:densenet121@none?size=64"]
    fusion = suture.fuse(names, num_classes=4)
    resnet, densenet = (load(name).body for name in names)
    backbones = parameters(resnet) - parameters(resnet.fc) + parameters(densenet) - parameters(densenet.classifier)
    head = 3072 * 1024 + 1024 + 1024 * 4 + 4
    assert parameters(fusion.head) == head
    assert parameters(fusion) == backbones + head
    assert parameters(fusion, learning=True) == head
    images = torch.rand(2, 3, 80, 64)
    assert fusion.features(images).shape == (2, 3072)
    assert fusion(images).shape == (2, 4)


@pytest.mark.shared
def test_two_real_backbones_learn_a_real_task_from_stored_features(shared, tmp_path):
    """Four classes of the sample, 80 images to learn from: far above chance after a few epochs of the head."""
    classes = (0, 3, 5, 8)  # airplane, cat, dog, ship
    whole = load_data("sample")

    def some(split: Split, each: int) -> Split:
        chosen = [i for c in classes for i in (split.labels == c).nonzero().flatten()[:each].tolist()]
        labels = torch.tensor([classes.index(int(split.labels[i])) for i in chosen])
        return Split(ArrayImages(split.images.batch(chosen)), labels)

    data = DataSet("four", tuple(whole.classes[c] for c in classes), some(whole.train, 20), some(whole.test, 25))
    data = data.with_validation()
    step = FuseStep(
        networks=(
            f"torchvision:mobilenet_v2@{shared}/weights/mobilenet_v2_imagenet1k_v1.safetensors?size=64",
            f"timm:tf_efficientnet_lite0@{shared}/weights/tf_efficientnet_lite0_imagenet.safetensors?size=64",
        ),
        hidden=64,
        stages=(Stage(moves=("head",), epochs=8, optimizer="adamw", lr=1e-3, batch_size=16),),
    )
    fusion = suture.fuse(step.networks, num_classes=4, hidden=64)
    before = {name: tensor.clone() for name, tensor in fusion.state_dict().items() if name.startswith("backbone")}
    untrained = evaluate(fusion, data.test).accuracy
    (stretch,) = train_stages(of_fusion(fusion), step.stages, data, Context(Recipe(steps=(step,))), RunFolder(tmp_path))
    assert stretch.cached
    assert evaluate(fusion, data.test).accuracy > max(0.6, untrained + 0.2)
    assert all(torch.equal(tensor, fusion.state_dict()[name]) for name, tensor in before.items())
