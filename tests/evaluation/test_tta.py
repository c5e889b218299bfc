"""Test-time augmentation: none changes nothing, every other one is a mean of probabilities."""

import pytest
import torch
from torch import nn

from raising import raises
from small import sample_split
from suture.errors import UsageError
from suture.evaluation import evaluate, predict
from suture.evaluation.tta import VIEWS, answer
from suture.sources import load
from suture.spec.names import TTA


class Mean(nn.Module):
    """Knows the mean colour only, which a mirror image shares."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 5 * images.mean((2, 3))


class Corner(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 9 * images[:, :, 0, 0]


@pytest.fixture(scope="module")
def network():
    return load("zoo:resnet20-a")


def test_every_name_is_there():
    assert tuple(VIEWS) == TTA


def test_none_is_what_the_network_says_bit_for_bit(network):
    split = sample_split(40)
    with torch.inference_mode():
        own = torch.cat([network(images) for images, _ in split.batches(16)])
    logits, labels = predict(network, split.batches(16))
    assert torch.equal(logits, own)
    assert torch.equal(logits, predict(network, split.batches(16), tta="none")[0])
    assert torch.equal(labels, split.labels)


def test_a_mirror_image_says_nothing_new_to_who_does_not_see_it():
    split = sample_split(20)
    plain, _ = predict(Mean(), split.batches(20))
    flipped, _ = predict(Mean(), split.batches(20), tta="flip")
    assert torch.allclose(flipped.softmax(1), plain.softmax(1), atol=1e-6)
    plain, _ = predict(Corner(), split.batches(20))
    flipped, _ = predict(Corner(), split.batches(20), tta="flip")
    assert not torch.allclose(flipped.softmax(1), plain.softmax(1), atol=1e-3)


@pytest.mark.parametrize("tta", ["flip", "crops"])
def test_the_answer_to_a_mirror_image_is_the_same(network, tta):
    images = next(sample_split(8).batches(8))[0]
    with torch.inference_mode():
        assert torch.allclose(answer(network, images, tta), answer(network, images.flip(-1), tta), atol=1e-4)


@pytest.mark.parametrize("tta", ["flip", "crops"])
def test_it_is_the_mean_of_the_probabilities(network, tta):
    images = next(sample_split(8).batches(8))[0]
    with torch.inference_mode():
        found = answer(network, images, tta)
        seen = [network(view).double().softmax(1) for view in VIEWS[tta](images)]
        several = answer(network, images, tta, several=True)
        each = [network(view).double().sigmoid() for view in VIEWS[tta](images)]
    assert len(seen) == {"flip": 2, "crops": 10}[tta]
    assert torch.allclose(found.exp().sum(1), torch.ones(8), atol=1e-5)
    assert torch.allclose(found.double().softmax(1), torch.stack(seen).mean(0), atol=1e-6)
    assert torch.allclose(several.double().sigmoid(), torch.stack(each).mean(0), atol=1e-6)


def test_crops_are_the_corners_and_the_centre_in_the_size_of_the_image():
    image = torch.zeros(1, 3, 16, 24)
    image[..., :2, :3] = 1
    views = list(VIEWS["crops"](image))
    assert {view.shape for view in views} == {image.shape}
    lit = [float(view.max()) for view in views]
    assert lit[:2] == [1, 1]
    assert all(value < 1 for value in lit[2:8])
    same = torch.full((2, 3, 5, 1), 0.3)
    assert all(torch.allclose(view, same) for view in VIEWS["crops"](same))


def test_very_sure_answers_stay_finite():
    logits = torch.tensor([[400.0, -400.0, 0.0]])
    found = answer(lambda images: logits.expand(len(images), -1), torch.zeros(2, 3, 4, 4), "flip")
    assert torch.isfinite(found).all()
    several = answer(lambda images: logits.expand(len(images), -1), torch.zeros(2, 3, 4, 4), "flip", several=True)
    assert torch.isfinite(several).all()


def test_labels_say_which_kind_of_probability_is_meant(network):
    split = sample_split(12)
    several = [(images, torch.zeros(len(images), 10)) for images, _ in split.batches(12)]
    with torch.inference_mode():
        wanted = answer(network, several[0][0], "flip", several=True)
    assert torch.equal(predict(network, several, tta="flip")[0], wanted)


def test_evaluate_takes_it(network):
    split = sample_split(64)
    plain, flipped = evaluate(network, split), evaluate(network, split, tta="flip")
    assert plain.n == flipped.n
    assert flipped.cross_entropy != plain.cross_entropy


def test_an_unknown_name_is_refused_before_anything_runs():
    with raises(UsageError, "no test-time augmentation 'flips'", "none, flip, crops", "flip"):
        predict(nn.Identity(), iter([]), tta="flips")
