"""What every adapter keeps to: each registered kind and start, between cuts of every layout."""

import copy
from contextlib import suppress
from itertools import product
from typing import get_args

import pytest
import torch

from suture.adapters import Adapter, AdapterSpec, FitReport, build, fit
from suture.adapters.adapter import KINDS
from suture.errors import AdapterError
from suture.spec.adapter import FITTED_MASKS, FITTED_STARTS, Mask, Start, Weighting
from suture.spec.cut import Cut, Layout
from suture.spec.names import ADAPTERS, MASKS, STARTS, WEIGHTINGS

SHAPES = (
    ("map", Layout.NCHW, (6, 4, 4), None),
    ("wide map", Layout.NCHW, (6, 2, 3), None),
    ("one row", Layout.NCHW, (4, 1, 5), None),
    ("one cell", Layout.NCHW, (7, 1, 1), None),
    ("channels last", Layout.NHWC, (4, 4, 6), None),
    ("tokens", Layout.NLC, (10, 5), None),
    ("class token", Layout.NLC, (17, 5), (4, 4)),
    ("registers", Layout.NLC, (14, 6), (3, 3)),
    ("wide tokens", Layout.NLC, (7, 4), (2, 3)),
    ("loose", Layout.NLC, (11, 5), None),
    ("nested", Layout.NLC, (4, 9, 6), None),
    ("channels first", Layout.NCL, (5, 16), None),
    ("channels first and registers", Layout.NCL, (4, 11), (3, 3)),
    ("vector", Layout.NC, (9,), None),
)
CUTS = [Cut(name, layout, shape, None, 0, 0, 0, 0, cells=cells) for name, layout, shape, cells in SHAPES]
NEIGHBOURS = [*zip(CUTS, CUTS, strict=True), *zip(CUTS, CUTS[1:] + CUTS[:1], strict=True)]
FEW = NEIGHBOURS[::9]


def specs(*starts: str, **choices: object) -> list[AdapterSpec]:
    """Those of every kind and start that make sense."""
    found = []
    for kind, start in product(sorted(KINDS), starts):
        with suppress(AdapterError):
            found.append(AdapterSpec(kind, start=start, **choices))
    return found


SPECS = specs("least-squares", "random", "eye")
FURTHER = [
    *specs("orthogonal", "reduced-rank", "perm", "ones-zeros"),
    *(spec for mask in MASKS[1:] for spec in specs("least-squares", "ones-zeros", mask=mask)),
    *specs("least-squares", "random", flatten=True),
    *specs("least-squares", flatten=True, mask="matching"),
]
JOINTS = [(spec, *pair) for chosen, pairs in ((SPECS, NEIGHBOURS), (FURTHER, FEW)) for spec in chosen for pair in pairs]
FITTABLE = [kind for kind in ADAPTERS if KINDS[kind].fittable]


def joined(spec: AdapterSpec, source: Cut, target: Cut, seed: int = 0) -> Adapter | None:
    try:
        return build(spec, source, target, seed)
    except AdapterError:
        return None


def activation(cut: Cut, images: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(images, *cut.shape, generator=torch.Generator().manual_seed(seed))


def holds_its_report(adapter: Adapter, x: torch.Tensor, y: torch.Tensor) -> None:
    """The fitted adapter leaves the reported share of what the best constant leaves."""
    target = adapter.target
    channels = 1 if target.layout in (Layout.NCHW, Layout.NCL) else y.dim() - 1
    others = [axis for axis in range(y.dim()) if axis != channels]
    mean = y.mean(0 if adapter.spec.flatten else others, keepdim=True)
    report = fit(adapter, [(x, y)])
    assert isinstance(report, FitReport)
    kept = adapter.spec.mask in FITTED_MASKS and adapter.spec.start not in FITTED_STARTS
    assert report.residual >= 0
    assert report.residual <= 1 or adapter.spec.start == "orthogonal" or kept
    left = (adapter(x) - y).square().sum() / (y - mean).square().sum()
    torch.testing.assert_close(left, torch.tensor(report.residual), rtol=1e-3, atol=1e-5)


def named(value: object) -> str:
    if not isinstance(value, AdapterSpec):
        return str(value)
    mask = "" if value.mask == "identity" else f"-{value.mask}"
    return f"{value.kind}-{value.start}{mask}{'-flat' if value.flatten else ''}"


@pytest.fixture(params=[j for j in JOINTS if joined(*j)], ids=lambda joint: "-".join(map(named, joint)))
def joint(request: pytest.FixtureRequest) -> tuple[AdapterSpec, Cut, Cut]:
    return request.param


def test_the_registry_holds_what_the_names_say():
    assert sorted(KINDS) == sorted(ADAPTERS)
    assert get_args(Start) == STARTS
    assert get_args(Mask) == MASKS
    assert get_args(Weighting) == WEIGHTINGS
    assert {*FITTED_STARTS} < {*STARTS}
    assert {*FITTED_MASKS} < {*MASKS}


@pytest.mark.parametrize("spec", SPECS + FURTHER, ids=named)
def test_every_kind_joins_a_cut_to_itself(spec):
    for cut in CUTS:
        assert build(spec, cut, cut)(activation(cut)).shape == (3, *cut.shape)


@pytest.mark.parametrize("source", CUTS, ids=str)
@pytest.mark.parametrize("kind", FITTABLE)
def test_a_kind_with_a_map_joins_any_two_cuts_and_fits_what_it_reports(kind, source):
    for target in CUTS:
        adapter = build(AdapterSpec(kind), source, target)
        x, y = activation(source, 8), activation(target, 8, seed=1)
        assert adapter(x).shape == y.shape
        holds_its_report(adapter, x, y)


@pytest.mark.parametrize("spec", SPECS + FURTHER, ids=named)
def test_what_cannot_be_joined_says_both_cuts_and_what_to_type(spec):
    for source, target in product(CUTS, CUTS):
        if joined(spec, source, target) is None:
            with pytest.raises(AdapterError) as caught:
                build(spec, source, target)
            assert str(source) in caught.value.given
            assert str(target) in caught.value.given
            assert caught.value.expected
            assert caught.value.instead


def test_an_adapter_gives_what_the_target_expects_and_leaves_its_input_alone(joint):
    adapter, x = build(*joint), activation(joint[1])
    before = x.clone()
    y = adapter(x)
    assert y.shape == (3, *joint[2].shape)
    assert y.dtype == torch.float32
    torch.testing.assert_close(x, before, rtol=0, atol=0)


def test_an_adapter_does_the_same_in_both_modes_and_to_each_image_alone(joint):
    adapter, x = build(*joint), activation(joint[1])
    y = adapter.train()(x)
    torch.testing.assert_close(adapter.eval()(x), y, rtol=0, atol=0)
    torch.testing.assert_close(torch.cat([adapter(image[None]) for image in x]), y)


def test_an_adapter_survives_copy_and_state_dict(joint):
    adapter, x = build(*joint, seed=1), activation(joint[1])
    again = build(*joint, seed=2)
    again.load_state_dict(adapter.state_dict())
    for other in (again, copy.deepcopy(adapter)):
        torch.testing.assert_close(other(x), adapter(x), rtol=0, atol=0)


def test_a_seed_gives_the_same_adapter_and_the_global_random_state_stays(joint):
    state = torch.get_rng_state()
    first, second = build(*joint, seed=5), build(*joint, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_gradients_reach_every_parameter_and_the_input(joint):
    adapter, x = build(*joint), activation(joint[1]).requires_grad_()
    adapter(x).square().sum().backward()
    assert x.grad is not None
    assert all(p.grad is not None and p.requires_grad for p in adapter.parameters())


def test_an_adapter_takes_half_precision_under_autocast(joint):
    adapter = build(*joint)
    with torch.autocast("cpu", torch.bfloat16):
        assert adapter(activation(joint[1]).bfloat16()).shape == (3, *joint[2].shape)


def test_a_fittable_adapter_fits_and_any_other_says_it_has_nothing_to_fit(joint):
    spec, source, target = joint
    adapter = build(*joint)
    x, y = activation(source, 8), activation(target, 8, seed=1)
    if not adapter.fittable:
        assert not adapter.wants_fit
        with pytest.raises(AdapterError, match="nothing to fit"):
            fit(adapter, [(x, y)])
        with pytest.raises(AdapterError, match="nothing to fit"):
            adapter.set_map(torch.zeros(1, 1), torch.zeros(1))
        return
    assert adapter.wants_fit == (spec.start in FITTED_STARTS or spec.mask in FITTED_MASKS)
    holds_its_report(adapter, x, y)
