"""What single modules are given and give while a network runs."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def recording(
    *, inputs: Mapping[str, nn.Module] | None = None, outputs: Mapping[str, nn.Module] | None = None
) -> Iterator[dict[str, Tensor]]:
    """A dict that every forward pass fills anew: the first input, or the output, of each module, by name.

    Its tensors belong to the graph of that pass, so that a loss may look at them.
    """
    seen: dict[str, Tensor] = {}

    def given(name: str) -> Any:
        def keep(_module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            seen[name] = arguments[0]

        return keep

    def gave(name: str) -> Any:
        def keep(_module: nn.Module, _arguments: Any, output: Tensor) -> Tensor:
            seen[name] = output
            return output.clone()  # what comes next may write to it

        return keep

    with ExitStack() as stack:
        for name, module in (inputs or {}).items():
            stack.callback(module.register_forward_pre_hook(given(name)).remove)
        for name, module in (outputs or {}).items():
            stack.callback(module.register_forward_hook(gave(name)).remove)
        yield seen
