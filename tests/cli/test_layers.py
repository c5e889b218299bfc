"""``suture layers``."""

import json

import pytest
from rich.console import Console

from suture.cli.layers import header, outline, short, table

NETWORKS = [
    "zoo:tiny10-a",
    "torchvision:resnet18@none?size=64",
    "torchvision:swin_t@none?size=64",
    "timm:vit_tiny_patch16_224@none?size=64",
    "timm:convnext_atto@none?size=64",
]
KEYS = {"name", "layout", "shape", "stride", "params_before", "params_after", "macs_before", "macs_after"}


@pytest.fixture(scope="module")
def told():
    """What ``describe`` tells of each network, asked once."""
    from suture.recipes.layers import describe

    return {(name, fine): describe(name, fine=fine) for name in NETWORKS for fine in (False, True)}


@pytest.mark.parametrize("fine", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_before_and_after_are_the_whole_at_every_cut(told, name, fine):
    result = told[name, fine]
    assert {"network", "tracer", "parameters", "trainable", "macs", "cuts"} <= set(result)
    assert result["trainable"] + result["frozen"] == result["parameters"]
    assert not result["unused"]
    for cut in result["cuts"]:
        assert set(cut) == KEYS | {"module"}
        assert cut["params_before"] + cut["params_after"] == result["parameters"]
        assert cut["macs_before"] + cut["macs_after"] == result["macs"]
    for cost in ("params_before", "macs_before"):
        costs = [cut[cost] for cut in result["cuts"]]
        assert costs == sorted(costs)
    json.dumps(result, allow_nan=False)


def test_modules_are_told_by_their_class(told):
    resnet = {cut["name"]: cut["module"] for cut in told[NETWORKS[1], True]["cuts"]}
    assert (resnet["layer1.0"], resnet["relu"], resnet["layer1.0.add"]) == ("BasicBlock", "ReLU", None)
    assert told[NETWORKS[1], False]["modules"]["layer1"] == "Sequential"


def test_headings_follow_the_tree_of_modules(told):
    rows = [(row.depth, row.name, row.cut is None) for row in outline(told[NETWORKS[1], False])]
    assert rows[:6] == [
        (0, "relu", False),
        (0, "maxpool", False),
        (0, "layer1", True),
        (1, "layer1.0", False),
        (1, "layer1.1", False),
        (0, "layer2", True),
    ]
    stages = [row.name for row in outline(told[NETWORKS[4], False]) if row.cut is None]
    assert stages[:3] == ["stages", "stages.0", "stages.1"]
    for result in told.values():
        cuts = [row.name for row in outline(result) if row.cut]
        assert cuts == [cut["name"] for cut in result["cuts"]]


@pytest.mark.parametrize("width", [80, 100, 120, 160])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_fits_and_names_stay_whole(told, name, width):
    console = Console(width=width, record=True, force_terminal=False, file=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(table(told[name, False]))
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= width
    assert "\x1b" not in capture.get()
    words = {line.split()[0] for line in lines if line.strip()}
    assert {cut["name"] for cut in told[name, False]["cuts"]} <= words
    assert any("█" in line and "░" in line for line in lines)
    assert ("parameters before" in capture.get()) is (width >= 100)


def test_no_colour_is_set_so_every_background_does(told):
    console = Console(width=120, force_terminal=True, color_system="truecolor", legacy_windows=False)
    with console.capture() as capture:
        console.print(table(told[NETWORKS[0], False]))
    styles = {part.partition("m")[0] for part in capture.get().split("\x1b[")[1:]}
    assert styles <= {"0", "1", "2", "1;2"}


def test_the_command_prints_a_table_or_json(call):
    code, out, _ = call("layers", "zoo:tiny10@none")
    assert code == 0
    assert "86,778 parameters (86,778 trainable, 0 frozen)" in out
    assert "traced by fx" in out
    assert "--at relu5:Y" in out
    code, out, _ = call("layers", "zoo:tiny10@none", "--fine", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["parameters"] == 86778
    assert {"bn5", "conv5", "relu5"} <= {cut["name"] for cut in told["cuts"]}


def test_the_header_says_what_a_reader_must_know(told):
    result = told[NETWORKS[0], False] | {
        "tracer": "hooks",
        "why": "fx: it branches; export: it breaks",
        "auxiliary": ["aux1", "aux2"],
        "unused": ["aux1.fc.weight", "spare.weight"],
        "trainable": 1000,
        "frozen": 85778,
    }
    text = "\n".join(map(str, header(result)))
    assert "1,000 trainable, 85,778 frozen" in text
    assert "traced by hooks, which knows only the order of the modules" in text
    assert "fx: it branches; export: it breaks" in text
    assert "auxiliary heads, off wherever it is cut: aux1, aux2" in text
    assert text.endswith("in no half: spare.weight")


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (86778, "86.8 k"),
        (999_700, "1.00 M"),
        (391e6, "391 M"),
        (4.09e12, "4090 G"),
    ],
)
def test_three_digits(count, told):
    assert short(count) == told
