"""Real pretrained networks, patched: every answer is kept where it should be."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file
from torchvision import models

import suture
from small import sample_split
from suture.hybrids import model_of

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    images = sample_split(8).images.batch(range(8)).float() / 255
    return torch.nn.functional.interpolate(images, size=(224, 224), mode="bilinear")


@pytest.fixture
def mobilenet(shared: Path) -> Path:
    (path,) = shared.glob("weights/mobilenet_v2_imagenet1k_v1.*")
    return path


def _torchvisions(path: Path):
    network = models.mobilenet_v2(weights=None)
    network.load_state_dict(load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True))
    return network.eval()


def test_the_pretrained_logits_are_torchvisions(mobilenet, x):
    own, model = _torchvisions(mobilenet), suture.HybridBuilder().from_torchvision("mobilenet_v2", weights=mobilenet)
    with torch.no_grad():
        assert torch.equal(model(x), own(x))


def test_blocks_on_every_stage_that_start_as_the_identity_change_no_logit(mobilenet, x):
    builder = suture.HybridBuilder()
    plain = builder.from_torchvision("mobilenet_v2", weights=mobilenet)
    patches = {section.output: {"wrap": "cbam_block", "inject": "mbconv"} for section in plain.sections}
    model = builder.from_torchvision("mobilenet_v2", weights=mobilenet, patches=patches, identity_start=True)
    assert len(model.changes) == 2 * len(plain.sections) > 10
    with torch.no_grad():
        assert torch.equal(model(x), plain(x))
        model.get_submodule(model.changes[0].block).alpha.fill_(1)
        assert not torch.allclose(model(x), plain(x))


def test_a_new_head_takes_the_features_that_the_old_one_took(mobilenet, x):
    own = _torchvisions(mobilenet)
    model = suture.HybridBuilder().from_torchvision("mobilenet_v2", mobilenet, num_classes=7, dropout=0.4)
    assert model.get_submodule("classifier.0").p == 0.4
    head = model.get_submodule(model.head_name)
    with torch.no_grad():
        torch.testing.assert_close(model(x), head(own.features(x).mean((2, 3))))


def test_timm_networks_keep_their_logits_too(shared, x):
    (path,) = shared.glob("weights/tf_efficientnet_lite0_imagenet.*")
    builder = suture.HybridBuilder()
    plain = builder.from_timm("tf_efficientnet_lite0", weights=path)
    own = timm.create_model("tf_efficientnet_lite0").eval()
    own.load_state_dict(plain.state_dict())
    patched = builder.from_timm("tf_efficientnet_lite0", path, {"blocks.*": {"wrap": "se"}}, identity_start=True)
    with torch.no_grad():
        assert torch.equal(plain(x), own(x))
        assert torch.equal(patched(x), own(x))


@pytest.mark.cifar10
def test_cifar_accuracy_stays_at_the_first_step(shared, cifar10_npz):
    source = f"zoo:resnet20@{shared / 'weights' / 'resnet20_w1-in0.safetensors'}"
    patched = suture.patch(source, {"layer*": {"wrap": "cbam_block"}}, identity_start=True)
    assert len(model_of(patched).changes) == 3
    found = suture.evaluate(patched, f"npz:{cifar10_npz}")
    assert found.accuracy == pytest.approx(0.9153, abs=5e-4)
