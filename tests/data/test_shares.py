"""Several processes see together what one sees."""

import pytest
import torch
from PIL import Image
from torch import nn

from small import sample_split
from suture.data.cache import cache_activations
from suture.data.dataset import Split
from suture.data.examples import ImageExamples
from suture.data.images import FileImages
from suture.spec.names import AUGMENTATIONS, SAMPLINGS


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Split:
    place, split = tmp_path_factory.mktemp("files"), sample_split(13)
    paths = [place / f"{index}.png" for index in range(13)]
    for path, image in zip(paths, split.images.batch(range(13)), strict=True):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
    return Split(FileImages(paths, 32), split.labels)


def teach(images: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"light": images.mean((1, 2, 3))}


def examples(kind: str, files: Split, sampling: str):
    if kind == "activations":
        kept = cache_activations(nn.Flatten(), sample_split(13), kinds=("flip",), views=2, teach=teach)
        return type(kept)(kept.values, kept.labels, kept.views, known=kept.known, sampling=sampling)
    split = files if kind == "files" else sample_split(13)
    return ImageExamples(split, AUGMENTATIONS, teach, sampling)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("kind", ["arrays", "files", "activations"])
@pytest.mark.parametrize("world", [1, 2, 5])
def test_the_parts_of_all_processes_are_the_whole_batch(kind, files, sampling, world):
    made = examples(kind, files, sampling)
    whole = list(made.epoch(4, seeded(3)))
    parts = [list(made.epoch(4, seeded(3), share=(rank, world))) for rank in range(world)]
    assert [len(labels) for _, labels, _ in whole] == [4, 4, 4, 1]
    assert {len(part) for part in parts} == {4}
    for number, (inputs, labels, known) in enumerate(whole):
        for rank in range(world):
            own, own_labels, own_known = parts[rank][number]
            torch.testing.assert_close(own, inputs[rank::world], rtol=0, atol=1e-6)
            assert own.dtype == torch.float32
            assert torch.equal(own_labels, labels[rank::world])
            torch.testing.assert_close(own_known["light"], known["light"][rank::world])


@pytest.mark.parametrize(("kind", "shape"), [("arrays", (3, 32, 32)), ("files", (3, 32, 32)), ("activations", (3072,))])
def test_a_part_may_be_empty(kind, files, shape):
    last = list(examples(kind, files, "shuffled").epoch(4, seeded(), share=(1, 2)))[-1]
    assert last[0].shape == (0, *shape)
    assert last[1].shape == (0,)
