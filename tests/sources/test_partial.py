"""What fits is loaded, what is new is started, nothing else is touched, and the report says so."""

import copy
from collections import OrderedDict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

import suture
from raising import raises
from suture.errors import WeightsError
from suture.graph.shadow import Shadow
from suture.sources import load, partial_load


def network(classes: int = 4, width: int = 6, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    parts = [("conv", nn.Conv2d(3, width, 3)), ("bn", nn.BatchNorm2d(width)), ("flat", nn.Flatten())]
    return nn.Sequential(OrderedDict([*parts, ("fc", nn.Linear(width, classes))]))


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one, other, names=None) -> bool:
    return all(torch.equal(one[name], other[name]) for name in (names or {*one, *other}))


def test_everything_of_the_same_network_is_loaded():
    one, other = network(), network(seed=1)
    report = partial_load(other, one.state_dict())
    assert report.loaded == tuple(one.state_dict())
    assert (report.mismatched, report.missing, report.unexpected, report.initialised) == ((), (), (), ())
    assert report.load_ratio == 1
    assert same(state_of(one), state_of(other))
    assert report.summary() == "9 of 9 tensors loaded (100.0%)"


def test_the_report_tells_what_became_of_every_tensor():
    state = state_of(network(classes=10))
    state["extra"] = state.pop("bn.weight")
    model = network(seed=1)
    before = state_of(model)
    report = partial_load(model, state, init_new_layers=None)
    assert report.mismatched == (("fc.weight", (10, 6), (4, 6)), ("fc.bias", (10,), (4,)))
    assert report.missing == ("bn.weight",)
    assert report.unexpected == ("extra",)
    assert report.load_ratio == len(report.loaded) / 9 == 6 / 9
    after = state_of(model)
    assert same(after, state, report.loaded)
    assert same(after, before, [name for name in before if name not in report.loaded])
    for words in ("6 of 9", "fc.weight 10x6 for 4x6", "1 missing: bn.weight", "1 unexpected: extra"):
        assert words in report.summary()


def test_nothing_is_loaded_where_a_mismatch_is_not_ignored():
    model = network()
    before = state_of(model)
    with raises(WeightsError, "2 tensors are of another shape: fc.weight 10x6 for 4x6", "ignore_mismatch=True"):
        partial_load(model, network(classes=10, seed=1).state_dict(), ignore_mismatch=False)
    assert same(before, state_of(model))
    assert partial_load(model, {"bn.bias": torch.ones(6)}, ignore_mismatch=False, init_new_layers=None).loaded


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 0.1}},
        lambda state: {"model": {"state_dict": state, "epoch": 3}, "args": None},
        lambda state: {"state_dict": {"model_state_dict": {f"module.{name}": t for name, t in state.items()}}},
        lambda state: {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"module._orig_mod.{name}": tensor for name, tensor in state.items()},
        lambda state: {name.replace("conv.", "conv._orig_mod."): tensor for name, tensor in state.items()},
    ],
)
def test_a_checkpoint_may_be_wrapped(tmp_path, wrap):
    wanted = state_of(network())
    torch.save(wrap(wanted), tmp_path / "checkpoint.pt")
    for source in (wrap(wanted), tmp_path / "checkpoint.pt", str(tmp_path / "checkpoint.pt")):
        model = network(seed=1)
        assert partial_load(model, source).load_ratio == 1
        assert same(state_of(model), wanted)


def test_the_model_may_be_wrapped_too(tmp_path):
    wanted = state_of(network())
    save_file(wanted, tmp_path / "w.safetensors")
    compiled = torch.compile(network(seed=1))
    assert partial_load(compiled, tmp_path / "w.safetensors").loaded[0] == "_orig_mod.conv.weight"
    assert same(state_of(compiled._orig_mod), wanted)
    parallel = nn.DataParallel(network(seed=1))
    assert partial_load(parallel, wanted).loaded[0] == "module.conv.weight"
    assert same(state_of(parallel.module), wanted)


def test_a_network_from_a_source_has_the_names_of_its_body():
    one, other = load("zoo:tiny10-a"), load("zoo:tiny10@none")
    assert partial_load(other, one.body.state_dict()).load_ratio == 1
    assert same(state_of(one), state_of(other))


def test_what_a_network_keeps_of_its_version_is_left_alone():
    one, other = models.mnasnet0_5(num_classes=4), models.mnasnet0_5(num_classes=5)
    report = partial_load(other, one.state_dict())
    assert [name for name, _, _ in report.mismatched] == ["classifier.1.weight", "classifier.1.bias"]


class Odd(nn.Module):
    """A plain layer of each kind, and parameters that are of none."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 8, 2)
        self.bn, self.ln, self.gn = nn.BatchNorm2d(8), nn.LayerNorm(8), nn.GroupNorm(2, 8)
        self.fc, self.down, self.attention = nn.Linear(8, 8), nn.Linear(8, 8), nn.MultiheadAttention(8, 2)
        self.alpha, self.token, self.gamma = (nn.Parameter(torch.zeros(s)) for s in ((), (1, 1, 8), (8,)))
        self.power = nn.Parameter(torch.full((1,), 3.0))
        self.up_down = nn.Linear(8, 8, bias=False)
        with torch.no_grad():
            for p in (*self.bn.parameters(), *self.ln.parameters(), *self.gn.parameters()):
                p.fill_(0.5)
            self.up_down.weight.zero_()


def test_kaiming_starts_the_plain_layers_that_are_new_and_no_others():
    torch.manual_seed(0)
    model = Odd()
    before = state_of(model)
    report = partial_load(model, {"conv.weight": before["conv.weight"] + 1, "fc.weight": torch.ones(9, 9)}, seed=3)
    after = state_of(model)
    assert torch.equal(after["conv.weight"], before["conv.weight"] + 1)
    drawn = ("up.weight", "down.weight", "attention.out_proj.weight")
    zeros = ("conv.bias", "up.bias", "bn.bias", "ln.bias", "gn.bias", "fc.bias", "down.bias", "attention.out_proj.bias")
    ones = ("bn.weight", "ln.weight", "gn.weight")
    assert set(report.initialised) == {*drawn, *zeros, *ones}
    assert all((after[name] == 0).all() for name in zeros)
    assert all((after[name] == 1).all() for name in ones)
    assert same(before, after, before.keys() - set(report.initialised) - {"conv.weight"})
    for name in drawn:
        fan_out = after[name].shape[0] * after[name][0, 0].numel()
        torch.testing.assert_close(after[name].std(), torch.tensor((2 / fan_out) ** 0.5), rtol=0.2, atol=0)


def test_blocks_that_have_a_start_of_their_own_keep_it():
    patches = {"conv": {"wrap": "lora"}, "bn": {"inject": {"type": "se", "identity_start": True}}}
    model = suture.patch(network(), patches, example=torch.rand(2, 3, 3, 3))
    before, images = state_of(model), torch.rand(2, 3, 3, 3)
    report = partial_load(model, network().state_dict(), seed=5)
    assert torch.equal(model(images), network().eval()(images))
    assert set(report.missing) == {name for name in before if ".lora." in name or ".se." in name}
    assert set(report.initialised) == {name for name in before if ".se." in name} - {"bn.se.alpha"}
    assert same(before, state_of(model), [name for name in before if ".lora." in name or "alpha" in name])


def test_a_start_is_drawn_by_the_seed_and_by_nothing_else():
    states = []
    for seed, noise in ((0, 5), (0, 6), (1, 5)):
        model = network()
        torch.manual_seed(noise)
        drawn = torch.get_rng_state()
        partial_load(model, {"bn.bias": torch.ones(6)}, seed=seed)
        assert torch.equal(drawn, torch.get_rng_state())
        states.append(state_of(model))
    assert same(states[0], states[1])
    assert not torch.equal(states[0]["fc.weight"], states[2]["fc.weight"])


def test_a_layer_that_another_stands_for_is_started_as_itself():
    model = network()
    shadow = Shadow()
    shadow.cover(model.fc)
    model.fc = shadow
    report = partial_load(model, {"bn.bias": torch.ones(6)})
    assert {"fc.weight", "fc.bias"} <= set(report.initialised)


def test_a_tensor_that_is_loaded_under_another_name_is_not_new():
    model = nn.ModuleDict({"one": nn.Linear(3, 3), "two": nn.Linear(3, 3)})
    model["two"].weight = model["one"].weight
    report = partial_load(model, {"one.weight": torch.ones(3, 3)})
    assert report.missing == ("one.bias", "two.weight", "two.bias")
    assert report.initialised == ("one.bias", "two.bias")
    assert (model["two"].weight == 1).all()


def test_all_else_about_the_model_stays():
    model = network().double()
    model.conv.requires_grad_(False)
    model.bn.eval()
    model.fc.register_forward_hook(lambda *_: None)
    before = copy.copy(model.__dict__), list(model.parameters()), [one.training for one in model.modules()]
    asks = [p.requires_grad for p in model.parameters()]
    partial_load(model, network(seed=1).half().state_dict())
    assert all(p is q for p, q in zip(before[1], model.parameters(), strict=True))
    assert asks == [p.requires_grad for p in model.parameters()]
    assert before[2] == [one.training for one in model.modules()]
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    assert len(model.fc._forward_hooks) == 1
    assert before[0].keys() == model.__dict__.keys()


def test_names_are_mapped_before_they_are_looked_for():
    one, other = network(), network(seed=1)
    state = {f"model.{name}".replace("fc", "classifier"): tensor for name, tensor in state_of(one).items()}
    report = partial_load(other, state, mapping={"model": "", "model.classifier": "fc"})
    assert report.load_ratio == 1
    assert same(state_of(one), state_of(other))


def test_weights_of_a_stranger_are_refused_with_the_rule_that_helps():
    model = network()
    before = state_of(model)
    state = {f"net.{name}": tensor for name, tensor in before.items()}
    with raises(WeightsError, "no tensor of a Sequential has a name of those given", "mapping={'net': ''}"):
        partial_load(model, state)
    with raises(WeightsError, "none at all"):
        partial_load(model, {})
    with raises(WeightsError, "mapping={'': 'net'}"):
        partial_load(nn.ModuleDict({"net": model}), before)
    with raises(WeightsError, 'match="structure"'):
        partial_load(model, {"w": torch.ones(7)})
    assert same(before, state_of(model))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"init_new_layers": "kaming"}, ("init_new_layers='kaming'", "init_new_layers='kaiming'")),
        ({"match": "structur"}, ("match='structur'", "match='structure'")),
        ({"mapping": {"cnv": "conv"}}, ("begins with 'cnv'", "mapping={'conv': 'conv'}")),
        ({"mapping": {"conv": None}}, ("mapping={'conv': None}", 'mapping={"backbone": ""}')),
        ({"mapping": {"conv.weight": "x", "fc.weight": "x"}}, ("conv.weight and fc.weight both become x",)),
    ],
)
def test_words_that_mean_nothing_change_nothing(options, words):
    model = network()
    before = state_of(model)
    with raises(WeightsError, *words):
        partial_load(model, network(seed=1).state_dict(), **options)
    assert same(before, state_of(model))


@pytest.mark.parametrize("given", [None, 3, [torch.ones(1)], {"fc.weight": "no tensor"}, network()])
def test_what_is_no_state_dict_is_told(given):
    with raises(WeightsError, "not named tensors"):
        partial_load(network(), given)


def test_a_model_without_numbers_is_told(tmp_path):
    with raises(WeightsError, "1.weight", "hold no numbers yet", "network(example)"):
        partial_load(nn.Sequential(nn.ReLU(), nn.LazyLinear(3)), network().state_dict())
    with torch.device("meta"):
        empty = network()
    with raises(WeightsError, "hold no numbers yet", "to_empty"):
        partial_load(empty, network().state_dict())
    with raises(WeightsError, "loaded into OrderedDict"):
        partial_load(network().state_dict(), network().state_dict())
    with raises(WeightsError, "there is no weight file"):
        partial_load(network(), tmp_path / "none.pt")


@settings(max_examples=40, deadline=None)
@given(
    kept=st.sets(st.sampled_from(sorted(network().state_dict())), min_size=1),
    wrong=st.sets(st.sampled_from(["conv.weight", "fc.bias"])),
    start=st.sampled_from(["kaiming", None]),
)
def test_every_tensor_is_loaded_or_as_it_was_or_started(kept, wrong, start):
    model, given = network(), state_of(network(seed=1))
    before = state_of(model)
    state = {name: torch.ones(7) if name in wrong else given[name] for name in given if name in kept}
    report = partial_load(model, state, init_new_layers=start)
    after = state_of(model)
    odd = tuple(name for name, _, _ in report.mismatched)
    assert sorted([*report.loaded, *odd, *report.missing]) == sorted(before)
    assert set(report.loaded) == kept - wrong
    assert set(odd) == kept & wrong
    assert same(after, given, report.loaded or ["bn.num_batches_tracked"])
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed <= {*report.loaded, *report.initialised}
    assert set(report.initialised) <= set(report.missing)


@pytest.mark.parametrize("strange", [lambda tensor: tensor.to("meta"), lambda tensor: tensor.to_sparse()])
def test_a_tensor_without_plain_numbers_changes_nothing(strange):
    model = network()
    before, given = state_of(model), network(seed=1).state_dict()
    given["fc.weight"] = strange(given["fc.weight"])
    with raises(WeightsError, "fc.weight of what was given hold no plain numbers", "to_dense()"):
        partial_load(model, given)
    assert same(before, state_of(model))
