"""Places for blocks."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from suture.blocks import Site
from suture.graph.frames import Frame
from suture.spec.cut import Layout


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def site() -> Callable[..., Site]:
    """A place in a map (or, by ``layout`` and ``frame``, elsewhere) that gives ``out``, else the same shape."""

    def make(*shape: int, operation="inject", layer=None, out=None, given=None, layout=Layout.NCHW, frame=None) -> Site:
        if frame is None:
            frame = Frame({Layout.NCHW: shape[1:], Layout.NHWC: shape[:2]}.get(layout, (1, 1)))
        own = layer or nn.Identity()
        return Site("layer3", operation, layout, shape, out or shape, frame, own, given or shape)

    return make
