"""A loaded network: a body as its authors wrote it, behind its own preprocessing."""

from typing import Any

from torch import Tensor, nn

from suture.data.preprocess import Preprocess
from suture.spec.plan import Plan

BODY = "body."


class Network(nn.Module):
    """Takes RGB images (N, 3, H, W) in [0, 1], gives logits (N, classes).

    ``input_size`` is the side of the square images the body sees, ``decode_size`` the shortest side of an image file
    that need not be enlarged, ``classes`` are the class names where they are known, ``origin`` is the source string
    without any folder, ``licence`` that of the weights; ``plan`` is that of a network
    that was patched. Parameter names are the body's own: ``state_dict`` neither
    shows nor wants the ``body.`` prefix.
    """

    def __init__(
        self,
        body: nn.Module,
        preprocess: Preprocess,
        *,
        input_size: int,
        classes: tuple[str, ...] | None = None,
        origin: str = "",
        licence: str = "unknown",
        decode_size: int | None = None,
    ) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.body = body
        self.input_size = input_size
        self.classes = classes
        self.origin = origin
        self.licence = licence
        self.plan: Plan | None = None
        self.decode_size = decode_size or preprocess.resize or input_size
        self.register_state_dict_post_hook(_strip_body)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_prepend_body)  # type: ignore[no-untyped-call]

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.body(self.preprocess(images))
        return logits


def _strip_body(_module: nn.Module, state: dict[str, Any], prefix: str, _metadata: dict[str, Any]) -> None:
    for key in [key for key in state if key.startswith(prefix + BODY)]:
        state[prefix + key.removeprefix(prefix + BODY)] = state.pop(key)


def _prepend_body(_module: nn.Module, state: dict[str, Any], prefix: str, *_rest: Any) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        state[prefix + BODY + key.removeprefix(prefix)] = state.pop(key)
