"""On real networks and data the fitted maps are those of the published implementation of arXiv 2110.14633."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from suture.adapters import AdapterSpec, build, fit
from suture.spec.cut import Cut, Layout

SHAPES = {"bn3": (32, 13, 13), "bn5": (32, 9, 9), "bn7": (64, 2, 2)}

pytestmark = [pytest.mark.shared, pytest.mark.cifar10]


def tiny10(weights: dict[str, Tensor], images: Tensor) -> dict[str, Tensor]:
    """What Tiny10 computes up to bn7, at the layers of SHAPES."""
    x, seen = images, {}
    for k in range(1, 8):
        stride = 2 if k in (3, 6) else 1
        x = F.conv2d(x, weights[f"conv{k}.weight"], weights[f"conv{k}.bias"], stride)
        mean, var, scale, shift = (weights[f"bn{k}.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
        x = F.batch_norm(x, mean, var, scale, shift)
        seen[f"bn{k}"] = x
        x = x.relu()
    return {name: seen[name] for name in SHAPES}


@pytest.fixture(scope="module")
def batches(shared, cifar10_npz) -> list[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    a, b = (load_file(shared / "weights" / f"tiny10-in{k}.safetensors") for k in (0, 1))
    mean = torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1)
    std = torch.tensor([0.2023, 0.1994, 0.2010]).view(3, 1, 1)
    with np.load(cifar10_npz) as data:
        images = torch.from_numpy(data["x_train"][:5000]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        return [(tiny10(a, x), tiny10(b, x)) for x in ((images - mean) / std).split(250)]


@pytest.mark.parametrize("layer", SHAPES)
def test_the_fitted_map_is_the_published_one(layer, batches, shared):
    cut = Cut(layer, Layout.NCHW, SHAPES[layer], None, 0, 0, 0, 0)
    adapter = build(AdapterSpec(), cut, cut)
    report = fit(adapter, ((a[layer], b[layer]) for a, b in batches))
    golden = np.load(shared / "golden" / "stitching_tiny10_in0_in1.npz")
    np.testing.assert_allclose(adapter.map.weight[:, :, 0, 0].detach(), golden[f"{layer}_w"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(adapter.map.bias.detach(), golden[f"{layer}_b"], rtol=0, atol=1e-6)
    assert report.n == 5000 * SHAPES[layer][1] * SHAPES[layer][2]
