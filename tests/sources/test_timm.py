import argparse
import pickle
import subprocess
import sys

import huggingface_hub.constants
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.data import create_transform, resolve_data_config
from torchvision.transforms.functional import to_pil_image

from raising import raises
from suture.errors import SourceError, WeightsError
from suture.sources import digest, load
from suture.sources.imagenet import class_names

NAME = "mobilenetv3_small_050"
VIT = "vit_tiny_patch16_224"


@pytest.fixture
def five(tmp_path):
    path = tmp_path / "five.safetensors"
    torch.manual_seed(3)
    save_file(timm.create_model(NAME, num_classes=5).state_dict(), path)
    return path


@pytest.mark.parametrize("wrap", ["plain", "pth", "training", "model_state_dict", "SAFETENSORS"])
def test_a_file_is_read_whole_whatever_its_wrapping(five, tmp_path, wrap):
    state, path = load_file(five), tmp_path / "other.pth"
    if wrap == "plain":
        path = five
    elif wrap == "SAFETENSORS":
        save_file(state, path := tmp_path / "W.SAFETENSORS")
    elif wrap == "training":  # what timm's train.py leaves
        averaged = {name: tensor + 1 for name, tensor in state.items()}
        torch.save({"state_dict": averaged, "state_dict_ema": state, "args": argparse.Namespace(lr=1.0)}, path)
    else:
        torch.save({"model_state_dict": state} if wrap == "model_state_dict" else state, path)
    network = load(f"timm:{NAME}@{path}")
    assert digest(network.state_dict()) == digest(state)
    assert network(torch.rand(1, 3, 64, 64)).shape == (1, 5)
    assert network.classes is None
    assert network.licence == "unknown"
    with raises(SourceError, "5 classes apart, asked for were 7", f"timm:{NAME}@none"):
        load(f"timm:{NAME}@{path}", num_classes=7)


@pytest.mark.parametrize("options", [{}, {"num_classes": 3}])
def test_random_weights_with_the_head_that_is_asked_for(options):
    one, same, other = (load(f"timm:{NAME}@none?size=64", seed=seed, **options) for seed in (0, 0, 1))
    assert one(torch.rand(1, 3, 40, 50)).shape == (1, options.get("num_classes", 1000))
    assert one.classes is None
    assert digest(one.state_dict()) == digest(same.state_dict()) != digest(other.state_dict())


def test_the_format_of_the_authors_is_renamed_by_timm(tmp_path):
    """ConvNeXt as facebookresearch/ConvNeXt spells it, fine-tuned for four classes."""
    theirs = timm.create_model("convnext_atto", num_classes=4).state_dict()
    renames = [
        *(("stem.", "downsample_layers.0."), ("head.norm.", "norm."), ("head.fc.", "head."), (".conv_dw.", ".dwconv.")),
        *((".mlp.fc1.", ".pwconv1."), (".mlp.fc2.", ".pwconv2.")),
    ]
    state = {}
    for name, tensor in theirs.items():
        stage = name.split(".")[1]
        given = name.replace(f"stages.{stage}.downsample.", f"downsample_layers.{stage}.")
        given = given.replace(f"stages.{stage}.blocks.", f"stages.{stage}.")
        for new, old in renames:
            given = given.replace(new, old, 1)
        state[given] = tensor
    assert not theirs.keys() <= state.keys()
    save_file(state, tmp_path / "w.safetensors")
    assert digest(load(f"timm:convnext_atto@{tmp_path / 'w.safetensors'}").state_dict()) == digest(theirs)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet18", ["missing conv1.weight", "unexpected blocks.0.0.bn1.bias"]),
        # timm itself takes any file for a DLA, and leaves what is not in it as it was drawn
        ("dla46_c", ["missing base_layer.0.weight", "unexpected blocks"]),
        ("mobilenetv3_small_075", ["of another shape"]),
    ],
)
def test_a_file_of_another_network_says_which_keys(five, caplog, name, words):
    with raises(WeightsError, "five.safetensors is of another network", *words):
        load(f"timm:{name}@{five}")
    assert not caplog.records


def test_a_network_for_images_of_other_channels_is_refused(tmp_path):
    save_file(timm.create_model(NAME, in_chans=1).state_dict(), tmp_path / "grey.safetensors")
    with raises(WeightsError, "of another shape conv_stem.weight (16, 1, 3, 3) for (16, 3, 3, 3)"):
        load(f"timm:{NAME}@{tmp_path / 'grey.safetensors'}")


class Malice:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_malicious_file_does_not_run(tmp_path):
    path, trace = tmp_path / "w.pth", tmp_path / "it-ran"
    torch.save({"state_dict": {"x": torch.zeros(1)}, "more": Malice(trace)}, path)
    with raises(WeightsError, "nothing in it is executed"):
        load(f"timm:{NAME}@{path}")
    path.write_bytes(pickle.dumps(Malice(trace), 2))
    with raises(WeightsError, "nothing in it is executed"):
        load(f"timm:{NAME}@{path}")
    assert not trace.exists()


@pytest.mark.parametrize(
    "name",
    [
        "tf_efficientnet_lite0.in1k",  # bicubic, half
        "vit_tiny_patch16_224.augreg_in21k_ft_in1k",  # crop of 0.9
        "convnext_tiny.in12k_ft_in1k_384",  # squash
        "resnet18.tv_in1k",  # bilinear
    ],
)
@pytest.mark.parametrize("size", [(300, 451), (500, 400)])
def test_the_preprocessing_is_timms(name, size):
    network = load("timm:" + name.replace(".", "@"), blank=True)
    config = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    coarse = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    image = (torch.nn.functional.interpolate(coarse, size, mode="bilinear") * 255).round() / 255
    expected = create_transform(**config)(to_pil_image(image[0]))
    # Pillow rounds to bytes after each direction, and we do not
    torch.testing.assert_close(network.preprocess(image)[0], expected, rtol=0, atol=0.03)


@pytest.mark.parametrize(
    ("source", "size", "resize", "classes"),
    [
        ("timm:resnet18", 224, 235, 1000),
        ("timm:resnet18@tv_in1k", 224, 256, 1000),
        ("timm:vit_tiny_patch16_384@augreg_in21k_ft_in1k", 384, 384, 1000),
        ("timm:convnext_tiny@fb_in22k", 224, 256, 21841),
        ("timm:resnet18@/nowhere/w.pth", 224, 235, 1000),
        (f"timm:{VIT}?size=64", 64, 64, 1000),
    ],
)
def test_a_blank_network_is_made_for_the_weights_that_it_waits_for(source, size, resize, classes):
    with torch.device("meta"):
        network = load(source, blank=True)
        assert network.body(torch.empty(1, 3, size, size)).shape == (1, classes)
    assert (network.preprocess.size, network.preprocess.resize) == (size, resize)
    assert network.licence == "unknown"


def test_a_network_of_a_fixed_size_is_built_for_another(tmp_path):
    network = load(f"timm:{VIT}@none?size=96")
    assert network(torch.rand(1, 3, 50, 40)).shape == (1, 1000)
    assert network.state_dict()["pos_embed"].shape == (1, 37, 192)
    state = load(f"timm:{VIT}@none", num_classes=4).state_dict()
    save_file(state, tmp_path / "w.safetensors")
    found = load(f"timm:{VIT}@{tmp_path / 'w.safetensors'}?size=96").state_dict()
    assert found["pos_embed"].shape == (1, 37, 192)
    assert torch.equal(found["blocks.3.attn.qkv.weight"], state["blocks.3.attn.qkv.weight"])


def test_a_size_that_an_architecture_cannot_have():
    with raises(SourceError, "timm:halonet26t@none?size=90 does not work at this size", "instead:  ?size=224"):
        load("timm:halonet26t@none?size=90")


def test_a_network_without_a_head_gives_features():
    network = load("timm:vit_small_patch14_dinov2@none?size=28")
    assert network(torch.rand(2, 3, 50, 40)).shape == (2, 384)
    assert load("timm:vit_small_patch14_dinov2@none?size=28", num_classes=3)(torch.rand(1, 3, 9, 9)).shape == (1, 3)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("timm:resnt18@none", ["timm has no network 'resnt18'", "timm:resnet18"]),
        ("timm:resnet18.a1_in1k", ["no network 'resnet18.a1_in1k'", "instead:  timm:resnet18@a1_in1k"]),
        ("timm:convnext_tiny_in22ft1k", ["no network", "instead:  timm:convnext_tiny@fb_in22k_ft_in1k"]),
        ("timm:hf-hub:timm/resnet18.a1_in1k", ["no network 'hf-hub:timm/resnet18.a1_in1k'"]),
        ("timm:resnet18@a1", ["no weights 'a1' for resnet18", "tv_in1k", "instead:  timm:resnet18@a1_in1k"]),
        ("timm:resnet18@tv_ink1", ["no weights 'tv_ink1'", "instead:  timm:resnet18@tv_in1k"]),
        ("timm:botnet50ts_256", ["publishes no weights for timm:botnet50ts_256", "timm:botnet50ts_256@none"]),
        ("timm:vit_base_patch16_sapiens2@none", ["images of 3x1024x768", "vit_base_patch16_sapiens2?size=768"]),
        ("timm:deepseek_vit_412m@none", ["border crop", "timm:deepseek_vit_412m?size=546"]),
    ],
)
def test_what_timm_has_not(source, words):
    with raises(SourceError, *words):
        load(source)


def test_scratch_is_random_weights_only_where_there_are_no_others(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    network = load("timm:botnet50ts_256?size=64", scratch=True, num_classes=2)
    assert network(torch.rand(1, 3, 64, 64)).shape == (1, 2)
    with raises(WeightsError, f"the weights of timm:{NAME} could not be fetched"):
        load(f"timm:{NAME}", scratch=True)


def test_weights_that_cannot_be_fetched(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with raises(WeightsError, f"the weights of timm:{NAME}@lamb_in1k could not be fetched", f"timm:{NAME}@PATH"):
        load(f"timm:{NAME}@lamb_in1k")


def test_published_weights_bring_their_licence_and_classes(monkeypatch):
    """As if fetched: the connection is replaced, the rest is timm's."""
    torch.manual_seed(3)
    state = timm.create_model(NAME).state_dict()
    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", lambda *_, **__: state)
    network = load(f"timm:{NAME}@lamb_in1k")
    assert digest(network.state_dict()) == digest(state)
    assert network.licence == "apache-2.0"
    assert network.classes[281] == "tabby"
    with raises(SourceError, "1000 classes apart, asked for were 7"):
        load(f"timm:{NAME}", num_classes=7)


def test_other_sources_do_not_wait_for_timm():
    code = "import suture.sources, sys; suture.sources.load('zoo:tiny10-a'); sys.exit('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_classes_stand_in_timms_order():
    ours, theirs = class_names(1000, 1000), timm.data.ImageNetInfo().label_descriptions()
    assert class_names(5, 1000) is None is class_names(1000, 21841)
    shared = [one.lower() in other.lower() for one, other in zip(ours, theirs, strict=True)]
    assert sum(shared) > 950


@pytest.mark.shared
def test_a_real_file_of_1000_classes(shared):
    path = shared / "weights" / "tf_efficientnet_lite0_imagenet.safetensors"
    network = load(f"timm:tf_efficientnet_lite0@{path}")
    state = load_file(path)
    assert all(torch.equal(network.state_dict()[key], tensor) for key, tensor in state.items())
    assert network.classes[281] == "tabby"
    assert network.licence == "unknown"
