"""Real networks that no one here trained, on all of CIFAR-10, against published and reference figures."""

import json
from pathlib import Path

import numpy as np
import pytest

import suture
from suture.recipes.context import Context
from suture.recipes.evaluate import Evaluate
from suture.recipes.execute import execute
from suture.spec.recipe import EvalStep, Recipe, StitchStep
from suture.spec.stage import Stage

pytestmark = [pytest.mark.shared, pytest.mark.cifar10]

NETWORKS = {
    "akamaster-resnet20": ("python:{shared}/models/cifar_resnet.py:resnet20@{weights}?norm=imagenet&size=32", 0.9173),
    "akamaster-resnet32": ("python:{shared}/models/cifar_resnet.py:resnet32@{weights}?norm=imagenet&size=32", 0.9263),
    "tiny10-in0": ("zoo:tiny10@{weights}", 0.8649),
}


def source(name: str, shared: Path) -> str:
    return NETWORKS[name][0].format(shared=shared, weights=shared / "weights" / f"{name}.safetensors")


@pytest.mark.parametrize("name", NETWORKS)
def test_accuracy_is_the_published_one(name, shared, cifar10_npz):
    step = EvalStep(model=source(name, shared))
    context = Context(Recipe(data=f"npz:{cifar10_npz}", steps=(step,)), trust_code=True)
    result = Evaluate.prepare(step, context).run().result
    assert result["accuracy"] == pytest.approx(NETWORKS[name][1], abs=0.0005)
    assert (result["n"], result["split"]) == (10000, "test")
    assert str(shared) not in json.dumps(result)


def test_the_untrained_stitch_is_the_reference_one(shared, cifar10_npz, tmp_path):
    golden = json.loads((shared / "golden" / "stitching.json").read_text())
    wanted = golden["direct_matching"]["tiny10-in0 -> tiny10-in1"]["bn5"]
    a, b = (f"zoo:tiny10@{shared / 'weights' / f'tiny10-in{i}.safetensors'}" for i in (0, 1))
    step = StitchStep(a=a, b=b, at="bn5:bn5", fit_images=5000, stage=Stage(epochs=0))
    result = execute(Context(Recipe(data=f"npz:{cifar10_npz}", steps=(step,))), tmp_path / "run")
    assert result["accuracy"]["after"] == result["accuracy"]["before"] == pytest.approx(wanted["acc"], abs=0.003)
    assert result["cross_entropy"]["after"] == pytest.approx(wanted["ce"], abs=0.01)
    assert result["relative_accuracy"] == pytest.approx(wanted["rel"], abs=0.003)
    assert result["agreement"]["b"] == pytest.approx(wanted["agree"], abs=0.003)
    for side, name in (("a", "tiny10-in0"), ("b", "tiny10-in1")):
        assert result["parents"][side]["accuracy"] == pytest.approx(golden["networks"][name]["acc"], abs=1e-4)
    with np.load(shared / "golden" / "stitching_tiny10_in0_in1.npz") as maps:
        fitted = suture.load_hybrid(tmp_path / "run", a, b).adapter.state_dict()
        weight, bias = maps["bn5_w"], maps["bn5_b"]
    np.testing.assert_allclose(fitted["map.weight"].squeeze().numpy(), weight, atol=1e-4)
    np.testing.assert_allclose(fitted["map.bias"].numpy(), bias, atol=1e-4)
