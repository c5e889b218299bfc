"""What every fusion keeps to: each registered kind, over one backbone or several."""

import copy

import pytest
import torch

from suture.fusions import FusionSpec, Head, build
from suture.fusions.fusion import KINDS
from suture.spec.cut import Cut, Layout
from suture.spec.names import FUSIONS

WIDTHS = {"one": (7,), "two": (6, 11), "three": (5, 5, 9)}
GRIDS = ((4, 4), (2, 3), (1, 5))
SPEC = {"classes": 4, "hidden": 12, "width": 8}


def cuts_of(kind: str, widths: tuple[int, ...]) -> list[Cut]:
    maps = KINDS[kind].maps
    shapes = [(width, *grid) if maps else (width,) for width, grid in zip(widths, GRIDS, strict=False)]
    layout = Layout.NCHW if maps else Layout.NC
    return [Cut(f"cut{k}", layout, shape, None, 0, 0, 0, 0) for k, shape in enumerate(shapes)]


def features_of(cuts: list[Cut], images: int = 5, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(images, *cut.shape, generator=generator) for cut in cuts]


@pytest.fixture(params=[(kind, count) for kind in sorted(KINDS) for count in WIDTHS], ids="-".join)
def made(request: pytest.FixtureRequest) -> tuple[Head, list[torch.Tensor]]:
    kind, count = request.param
    cuts = cuts_of(kind, WIDTHS[count])
    return build(FusionSpec(kind, **SPEC), cuts).eval(), features_of(cuts)


def test_the_registry_holds_what_the_names_say():
    assert sorted(KINDS) == sorted(FUSIONS)


def test_it_gives_logits_and_leaves_its_features_alone(made):
    head, features = made
    before = [x.clone() for x in features]
    logits = head(features)
    assert logits.shape == (5, 4)
    assert logits.dtype == torch.float32
    assert all(torch.equal(x, y) for x, y in zip(features, before, strict=True))
    assert str(head)


def test_each_image_is_answered_alone(made):
    head, features = made
    alone = [head([x[k : k + 1] for x in features]) for k in range(5)]
    torch.testing.assert_close(torch.cat(alone), head(features))


def test_every_backbone_has_a_say_and_everything_learns(made):
    head, features = made
    features = [x.requires_grad_() for x in features]
    for parameter in head.parameters():
        if not parameter.any():  # a gate that starts at zero passes no gradient to what it reads
            torch.nn.init.normal_(parameter, std=0.1)
    head(features).square().sum().backward()
    assert all(x.grad is not None and x.grad.abs().sum() > 0 for x in features)
    # The score of a single backbone is 1 whatever its gate says.
    silent = {"gate.score.weight", "gate.score.bias"} if len(features) == 1 else set()
    assert all(p.grad.abs().sum() > 0 for name, p in head.named_parameters() if name not in silent)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_seed_decides_and_nothing_else(kind):
    cuts, spec = cuts_of(kind, (6, 11)), FusionSpec(kind, **SPEC)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = build(spec, cuts, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    again, other = build(spec, cuts, seed=1), build(spec, cuts, seed=2)
    features = features_of(cuts)
    assert torch.equal(first.eval()(features), again.eval()(features))
    assert not torch.equal(first(features), other.eval()(features))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_dropout_acts_in_train_mode_with_the_chance_asked_for(kind):
    cuts = cuts_of(kind, (6, 11))
    features = features_of(cuts)
    wild = build(FusionSpec(kind, **SPEC, dropout=0.5), cuts).train()
    assert not torch.equal(wild(features), wild(features))
    chances = {module.p for module in wild.modules() if isinstance(module, torch.nn.Dropout)}
    assert 0.5 in chances


def test_it_survives_copy_and_state_dict(made):
    head, features = made
    again = copy.deepcopy(head)
    assert torch.equal(again(features), head(features))
    for parameter in again.parameters():
        torch.nn.init.zeros_(parameter)
    again.load_state_dict(head.state_dict())
    assert torch.equal(again(features), head(features))
