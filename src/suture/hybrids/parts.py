"""What stitched and fused networks share: named parts that can be frozen."""

from typing import Self

from torch import nn

from suture.errors import PlanError, listed
from suture.spec.plan import Plan


class Parts(nn.Module):
    """A module made of parts of networks, as ``plan`` describes it.

    ``frozen`` are the submodules, by path, that neither learn nor leave eval mode. ``input_size`` is the side of the
    images it was made for, ``decode_size`` the shortest side of an image file that need not be enlarged, ``classes``
    the class names; each where it is known.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.frozen: frozenset[str] = frozenset()
        self.input_size: int | None = None
        self.decode_size: int | None = None
        self.classes: tuple[str, ...] | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of everything it is made of, in the order in which it runs."""
        return tuple(name for name, _ in self.named_children())

    def named(self, part: str) -> tuple[str, ...]:
        """The names that ``part`` stands for: its own, or those that add a number to it. Raises PlanError."""
        found = tuple(name for name in self.parts if part in (name, name.rstrip("0123456789")))
        if not found:
            raise PlanError(
                f"this {type(self).__name__.lower()} has no part {part!r}",
                expected=f"some of {listed(self.parts)}",
                instead=f'thaw("{self.parts[-1]}")',
            )
        return found

    def freeze(self, *parts: str) -> Self:
        return self._set(parts, frozen=True)

    def thaw(self, *parts: str) -> Self:
        return self._set(parts, frozen=False)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for part in self.frozen:
            self.get_submodule(part).eval()
        return self

    def is_frozen(self, tensor: str) -> bool:
        """Whether a parameter or buffer, by its name in the state dict, belongs to a frozen submodule."""
        return any(tensor.startswith(f"{part}.") for part in self.frozen)

    def _set(self, parts: tuple[str, ...], *, frozen: bool) -> Self:
        names = {name for part in parts for name in self.named(part)}
        self.frozen = self.frozen | names if frozen else self.frozen - names
        for name in names:
            self.get_submodule(name).requires_grad_(not frozen)
        return self.train(self.training)
