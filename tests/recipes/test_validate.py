"""What ``validate`` accepts builds, and whatever it is fed it raises nothing but RecipeError."""

import copy
import os
from io import StringIO

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from raising import raises
from suture.errors import RecipeError
from suture.recipes import load_yaml_recipe
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.recipes.read import parse, parse_recipe
from suture.recipes.validate import checked, validate

EXAMPLES = int(os.environ.get("SUTURE_EXAMPLES", "300"))
FAULT = "fails: "  # how a desk tells what is no SutureError

ALL = """\
steps:
  - stitch: {a: zoo:tiny10-a, b: zoo:resnet20-a, at: relu5:layer2.2}
  - stitch: {a: zoo:tiny10-a, b: zoo:tiny10-b, more: [zoo:tiny10-a], adapter: mlp}
  - fuse: {networks: [zoo:tiny10-a, zoo:resnet20-a], controls: true, seeds: 100000, folds: 9}
  - search: {a: zoo:tiny10-a, b: zoo:tiny10-b}
  - compare: {a: zoo:tiny10-a, b: zoo:tiny10-b, layers: [relu5:relu5]}
  - train: {model: zoo:lenet}
  - sweep:
      stitch: {a: zoo:tiny10-a, b: zoo:tiny10-b}
      over: {at: ["relu1:relu1", "relu4:relu44"], seed: [1, 2]}
  - tune: {fuse: {networks: [zoo:tiny10-a, zoo:resnet20-a]}}
  - eval: {model: "run:runs/x/1-stitch"}
  - explain: {model: zoo:resnet20-a, target: ship}
  - patch: {model: zoo:resnet20-a, patches: {layer3: {wrap: se}}, num_classes: 7, seeds: 100000}
  - eval: {model: "python:nets.py:make"}
"""

WRONG = """\
steps:
  - stitch: {a: zoo:tiny10-a, b: zoo:resnet20-a,
       at: relux5:layer2.9}
  - fuse:
      networks: [zoo:tiny10-a,
         zoo:resnet20-aa]
  - fuse:
      networks: [zoo:tiny10-a, zoo:resnet20-a]
      at: [relu6,
          layer9]
      stages:
        - {moves: [head], epochs: 1}
        - {moves: ["backbones:9"], epochs: 1}
  - search: {a: zoo:tiny10, b: zoo:tiny10-b}
  - compare: {a: zoo:tiny10-a, b: zoo:tiny10-b, layers: [relu5:relu5,
       rel:relu5]}
  - sweep:
      stitch: {a: zoo:tiny10-a, b: zoo:tiny10-b}
      over: {at: ["relu1:relux",
         "relu4:reluz"]}
  - eval: {model: "run:11-stitch"}
  - explain: {model: zoo:resnet20-a,
      layer: [foo]}
  - patch:
      model: zoo:resnet20-a
      patches:
         layer3: {wrap: se}
         layre3: {wrap: se}
         layer2:
           - wrap: {type: se, params: {redution: 3}}
           - inject: eca
           - inject: {type: eca, params: {kernel_size: x}}
      stages:
        - {moves: ["backbone:9"], epochs: 1}
  - patch:
      model: zoo:resnet20-a
      patches:
        - {target: layer1, operation: wrap, block: se}
        - {target: layer7, operation: wrap, block: se}
  - train: {model: "torchvision:resnet18@IMGENET1K_V1"}
  - train: {model: "torchvision:resnet18@nofile.pth"}
  - tune:
      fuse:
        networks: [zoo:tiny10-a, zoo:resnet20-a]
        at: [relu6,
          layer8]
  - search: {a: zoo:tiny10-a, b: zoo:resnet20@none}
"""


def test_every_verb_is_built():
    found = checked(parse(ALL, "all.yaml"), "all.yaml")
    told = {(step.verb, step.parameters) for step in found.steps}
    assert ("train", 62_006) in told  # LeNet-5
    assert ("stitch", None) not in told
    assert [step.verb for step in found.steps if step.parameters is None] == ["eval", "eval"]
    assert found.notes == (
        "line 10: step 7, over.at.1: left out: the network has no layer 'relu44'",
        "line 12: step 9, model: run:runs/x/1-stitch is what step 1 makes; not looked at",
        "line 15: step 12, model: python:nets.py:make is code, not looked at without --trust-code",
    )


def test_every_mistake_about_networks_is_told_at_its_line():
    with pytest.raises(RecipeError) as raised:
        checked(parse(WRONG, "wrong.yaml"), "wrong.yaml")
    told = raised.value.given.splitlines()
    for line, part in (
        (3, "step 1, at: the network has no layer 'relux5'"),
        (3, "instead layer2.2"),
        (6, "networks.1: the zoo has no 'resnet20-aa'"),
        (10, "at.1: the network has no layer 'layer9'"),
        (13, "stages.1.moves: the last 9 stages of backbone1, which has 4"),
        (14, "a: zoo:tiny10 has no weights of its own"),
        (16, "layers.1: zoo:tiny10-a: the network has no layer 'rel'"),
        (19, "over.at.0: left out: the network has no layer 'relux'"),
        (20, "over.at.1: left out: the network has no layer 'reluz'"),
        (21, "is no finished run"),
        (23, "layer.0: the network has no 'foo'"),
        (28, "patches.layre3.wrap: 'layre3' is no layer"),
        (30, "se has no parameter 'redution'"),
        (32, "eca with kernel_size='x'"),
        (34, "the last 9 stages of a ResNet20, which has 3"),
        (39, "patches.1: 'layer7' is no layer"),
        (40, "torchvision has no weights 'IMGENET1K_V1'"),
        (41, "there is no weight file nofile.pth"),
        (46, "fuse.at.1: the network has no layer 'layer8'"),
    ):
        assert any(row.startswith(f"  line {line}: ") and part in row for row in told), (line, part, told)


def test_what_can_be_read_is_looked_at_beside_what_cannot(tmp_path):
    path = tmp_path / "x.yaml"
    for text, words in (
        (
            "seed: x\nsteps:\n  - evall: {}\n  - eval: {model: zoo:nope}\n",
            ["line 1: seed", "line 3: there is no verb 'evall'", "line 4: step 2, model: the zoo has no 'nope'"],
        ),
        (
            "backbone:\n  name: zoo:tiny10-a\n  patches: {relu33: {wrap: se}}\nhead: {clases: 3}\ntraining: {lr: x}",
            ["line 3: patches.relu33.wrap: 'relu33' is no layer", "line 4: head.clases", "line 5: training.lr"],
        ),
        (  # of the backbone too
            "backbone:\n  name: zoo:tiny10-a\n  patches:\n    relu3: {wrap: sse}\n    relu33: {wrap: se}\n"
            "    relu4:\n      wrap: {type: se, params: {redution: 4}}\n"
            "training:\n  freeze_backbone: true\n  unfreeze_stages: [0]\n  epoch: 3\n",
            [
                "line 4: backbone.patches.relu3.wrap: there is no block 'sse'",
                "line 5: patches.relu33.wrap: 'relu33' is no layer",
                "line 7: patches.relu4.wrap: se has no parameter 'redution'",
                "line 10: unfreeze_stages: stages 0 of zoo:tiny10-a",
                "line 11: training.epoch: no such field",
            ],
        ),
        (
            "backbone:\n  name: zoo:tinny10\n  patches: {relu3: {wrap: sse}}\n"
            "training: {freeze_backbone: true, unfreeze_stages: [0]}\n",
            ["line 2: model: the zoo has no 'tinny10'", "line 3: backbone.patches.relu3.wrap: there is no block 'sse'"],
        ),
        (  # of a step too
            "steps:\n  - patch:\n      model: zoo:tiny10-a\n      patches:\n        relu33: {wrap: se}\n"
            "        relu3:\n          - wrap: se\n          - inject: {type: eca, params: {kernel: 3}}\n"
            "      patience: 3\n",
            [
                "line 5: patches.relu33.wrap: 'relu33' is no layer",
                "line 8: patches.relu3.1.inject: eca has no parameter 'kernel'",
                "line 9: patience: no such field",
            ],
        ),
        (
            "device: gpu\nsteps:\n  - fuse:\n      networks: [zoo:tiny10-a,\n        zoo:tinny10-a]\n      metod: add\n"
            "  - fuse:\n      networks: [zoo:tiny10-a, zoo:tiny10-b]\n      metod: add\n      stages:\n"
            "        - epoch: 3\n          moves: ['backbones:99']\n",
            [
                "line 1: device: there is no device 'gpu'; expected auto, cpu",
                "line 5: step 1, networks.1: the zoo has no 'tinny10-a'",
                "line 6: metod: no such field; nearest: method",
                "line 9: metod: no such field; nearest: method",
                "line 11: stages.0.epoch: no such field",
                "line 12: step 2, stages.0.moves: the last 99 stages",
            ],
        ),
        (  # weights that are not there keep no one from looking at the network
            "steps:\n  - patch:\n      model: zoo:tiny10@none.pth\n      patches: {relu33: {wrap: se}}\n",
            ["line 3: model: there is no weight file none.pth", "line 4: patches.relu33.wrap: 'relu33' is no layer"],
        ),
    ):
        path.write_text(text)
        with pytest.raises(RecipeError) as raised:
            validate(path)
        assert all(word in raised.value.given for word in words), raised.value.given
        assert len(raised.value.given.splitlines()) == len(words) + 1, raised.value.given


def test_what_timm_does_not_publish_is_told():
    for source, words in (
        ("timm:resnet18@a1_in1k", None),
        ("timm:test_resnet@r160_in1k", None),
        ("timm:vit_tiny_r_s16_p8_384@none", None),
        ("timm:resnet18@nope", "timm publishes no weights for timm:resnet18@nope"),
        ("timm:resnet18s", "timm has no network 'resnet18s'"),
    ):
        reading = parse(f"steps: [eval: {{model: '{source}'}}]", "x.yaml")
        if words is None:
            assert checked(reading, "x.yaml").steps[0].parameters
        else:
            with raises(RecipeError, "line 1: model", words):
                checked(reading, "x.yaml")


def test_code_is_looked_at_where_it_is_trusted(tmp_path):
    nets = tmp_path / "nets.py"
    nets.write_text(
        "from torch import nn\n"
        "def make(): return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))\n"
        "def bad(): return nn.Linear(3, 3)\n"
    )
    for function, words in (("make", None), ("bad", "does not work at this size"), ("none", "has no function 'none'")):
        text = f"steps: [eval: {{model: 'python:{nets}:{function}?size=32'}}]"
        if words is None:
            (step,) = checked(parse(text, "x.yaml"), "x.yaml", trust_code=True).steps
            assert step.parameters == 4 * 27 + 4 + 4 * 3 + 3
        else:
            with pytest.raises(RecipeError, match=words):
                checked(parse(text, "x.yaml"), "x.yaml", trust_code=True)


def test_later_steps_are_looked_at_before_the_first_one_runs(tmp_path):
    text = """\
data: sample
steps:
  - stitch: {a: zoo:tiny10-a, b: zoo:tiny10-b, stage: {epochs: 1, train_images: 20}}
  - stitch: {a: zoo:tiny10-a, b: zoo:tiny10-b, at: relu1:reluu}
"""
    with raises(RecipeError, "recipe: step 2, at: the network has no layer 'reluu'"):
        execute(Context(parse_recipe(text, "x.yaml")), tmp_path / "run")
    assert not (tmp_path / "run").exists()


RECIPES = [
    {"steps": [{"stitch": {"a": "zoo:tiny10-a", "b": "zoo:tiny10-b", "at": "relu5:relu4", "adapter": "linear"}}]},
    {"steps": [{"fuse": {"networks": ["zoo:tiny10-a", "zoo:lenet@none"], "method": "add", "width": 8, "hidden": 8}}]},
    {
        "name": "x",
        "macros": {"attention": "se"},
        "backbone": {
            "name": "zoo:tiny10-a",
            "patches": {"relu3": {"wrap": "@attention"}, "conv4": [{"inject": {"type": "eca", "position": "before"}}]},
        },
        "head": {"num_classes": 10, "dropout": 0.3},
        "training": {"optimizer": "adamw", "learning_rate": 0.01, "epochs": 2, "freeze_backbone": True},
    },
    {
        "data": "sample",
        "seed": 1,
        "steps": [
            {
                "patch": {
                    "model": "zoo:tiny10-a",
                    "patches": {"relu*": {"inject": {"type": "cbam_block", "params": {"reduction": 4}}}},
                    "stages": [{"moves": ["head", "blocks"], "epochs": 1}, {"moves": ["backbone:1"], "lr": 0.1}],
                }
            }
        ],
    },
]
NAMES = [
    "relu3",
    "relu5:relu5",
    "relu5:bn1",
    "fc",
    "layer3",
    "zoo:tiny10-b",
    "zoo:lenet@none",
    "zoo:nope",
    "run:nope",
    "se",
    "eca",
    "simam",
    "lora",
    "wrap",
    "replace",
    "inject",
    "type",
    "params",
    "head",
    "all",
    "@attention",
    "@x",
    "a",
    "b",
    "at",
    "more",
    "patches",
    "steps",
    "backbone",
    "stitch",
    "mlp",
    "gated",
    "maps",
    "one-cycle",
    "focal",
]
values = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 2, 3, 10**30, 0.5, float("nan"), float("inf"), "", "\0", " ", "é"]),
    st.sampled_from(NAMES),
    st.text(max_size=5),
    st.lists(st.sampled_from([*NAMES, 1, None]), max_size=3),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*NAMES, 1, None, {}, []]), max_size=2),
)


@st.composite
def mutated(draw):
    """A recipe in which something was left out, renamed or put in the place of something else, once or twice."""
    tree = copy.deepcopy(draw(st.sampled_from(RECIPES)))
    for _ in range(draw(st.integers(1, 2))):
        outer, key = draw(st.sampled_from(list(_places(tree)) or [({}, "x")]))
        if key not in outer and not isinstance(outer, list):
            continue
        what = draw(st.sampled_from(["delete", "rename", "replace", "replace", "add"]))
        value = draw(values)
        if what == "delete":
            del outer[key]
        elif what == "replace":
            outer[key] = value
        elif isinstance(outer, list):
            outer.append(value)
        else:
            outer[draw(st.sampled_from(NAMES))] = outer.pop(key) if what == "rename" else value
    return tree


def _places(tree):
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from _places(tree[key])


def written(tree) -> str:
    buffer = StringIO()
    YAML(typ="safe", pure=True).dump(tree, buffer)
    return buffer.getvalue()


def accepted(text, path) -> bool:
    """Whether validate takes it; whatever else it raises than RecipeError gets through."""
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        validate(path)
    except RecipeError as error:
        assert error.given
        assert FAULT not in error.given, error.given
        return False
    return True


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("recipes") / "any.yaml"


PLAIN = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@settings(PLAIN, max_examples=EXAMPLES // 3)  # each builds a network or two
@given(tree=mutated())
def test_a_changed_recipe_is_refused_or_builds(file, tree):
    if accepted(written(tree), file):
        module = load_yaml_recipe(file).eval()
        with torch.no_grad():
            answer = module(torch.zeros(2, 3, 32, 32))
        assert answer.shape[0] == 2


@pytest.mark.parametrize("tree", RECIPES, ids=["stitch", "fuse", "guide", "patch"])
def test_a_recipe_that_is_whole_is_accepted(file, tree):
    assert accepted(written(tree), file)


trees = st.recursive(
    values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
tops = st.sampled_from(["name", "data", "seed", "steps", "backbone", "head", "training", "macros", "extends", "splits"])


@PLAIN
@given(tree=st.dictionaries(tops, trees, max_size=4))
def test_any_tree_is_a_recipe_or_a_recipe_error(file, tree):
    accepted(written(tree), file)


@PLAIN
@given(data=st.binary(max_size=80))
def test_any_bytes_are_a_recipe_or_a_recipe_error(file, data):
    file.write_bytes(data)
    with pytest.raises(RecipeError):
        validate(file)


@PLAIN
@given(text=st.text(alphabet="ab:-{}[]&*<>!|#?@'\"\n 01,", max_size=60))
def test_any_text_is_a_recipe_or_a_recipe_error(file, text):
    accepted(text, file)
