"""What patch can add: where a block goes, the registry of its kinds, and how one is built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, get_annotations, signature
from typing import Annotated, TypeVar

import torch
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from torch import Tensor, nn

from suture.errors import PlanError, listed, nearest
from suture.graph.frames import Frame, from_grid, to_grid
from suture.spec.cut import Layout
from suture.spec.patch import Operation, Value


@dataclass(frozen=True)
class Site:
    """Where a block goes: the activation that it takes, and what it should give.

    ``layout`` and ``shape`` (without the batch axis) are of what it takes, ``frame`` is its grid and extra tokens.
    ``out`` is the shape that it should give: the same, except of a replacement. ``layer`` is the layer that is
    wrapped or replaced, and ``given`` the shape of that layer's own input.
    """

    name: str
    operation: Operation
    layout: Layout
    shape: tuple[int, ...]
    out: tuple[int, ...]
    frame: Frame
    layer: nn.Module
    given: tuple[int, ...] | None = None

    @property
    def channels(self) -> int:
        return self._channels(self.shape)

    @property
    def out_channels(self) -> int:
        return self._channels(self.out)

    @property
    def stride(self) -> int:
        """By how much the replaced layer makes a map smaller: rows that it takes per row that it gives."""
        axis = {Layout.NCHW: 1, Layout.NHWC: 0}.get(self.layout)
        return 1 if axis is None or len(self.out) != 3 else max(1, round(self.shape[axis] / self.out[axis]))

    def need_cells(self, block: str) -> None:
        """Raises PlanError at a vector: there ``block`` has nothing to compare or pool."""
        if self.layout is Layout.NC:
            raise PlanError(
                f"{block} at {self}, a vector",
                expected="a layer that gives a map or tokens",
                instead="an earlier layer, or a block that looks at channels alone: se, eca, channel_attention",
            )

    def need_grid(self, block: str) -> None:
        """Raises PlanError at a vector, and at tokens of which no one knows where in an image they lie."""
        self.need_cells(block)
        if self.frame.loose:
            raise PlanError(
                f"{block} at {self}, tokens of no known grid",
                expected="a map, or tokens that lie row by row",
                instead="a block that needs no grid: se, eca, channel_attention, gc, non_local",
            )

    def _channels(self, shape: tuple[int, ...]) -> int:
        return shape[0] if self.layout in (Layout.NCHW, Layout.NCL) else shape[-1]

    def __str__(self) -> str:
        return f"{self.name} ({self.layout} {'x'.join(map(str, self.shape))})"


class AnyLayout(nn.Module):
    """A block that takes the activation as the network has it, class tokens and all."""


class Gate(AnyLayout):
    """A block that looks at the input of the layer it wraps: ``forward(x, layer(x))``, both as the network has them."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError


class OnGrid(nn.Module):
    """``block``, which takes and gives maps (N, C, H, W), on an activation of another layout; class tokens pass by.

    Tokens must be as many as at the site: what they are a grid of is not read off them. With ``flat`` the block gives
    one cell, and this a vector.
    """

    def __init__(self, block: nn.Module, layout: Layout, frame: Frame, flat: bool = False) -> None:
        super().__init__()
        self.block = block
        self.layout, self.frame, self.flat = layout, frame, flat

    def forward(self, x: Tensor) -> Tensor:
        grid, extra = to_grid(x, self.layout, self.frame)
        made = self.block(grid)
        return made.flatten(1) if self.flat else from_grid(made, extra, self.layout, self.frame)

    def extra_repr(self) -> str:
        return str(self.layout)


class OnTokens(nn.Module):
    """``block``, to which all cells are alike, on any number of tokens: class tokens are cells as well."""

    def __init__(self, block: nn.Module, layout: Layout) -> None:
        super().__init__()
        self.block = block
        self.layout = layout

    def forward(self, x: Tensor) -> Tensor:
        first = x if self.layout is Layout.NCL else x.movedim(-1, 1)
        made: Tensor = self.block(first.flatten(2).unsqueeze(-1)).reshape(first.shape)
        return made if self.layout is Layout.NCL else made.movedim(1, -1)

    def extra_repr(self) -> str:
        return str(self.layout)


class IdentityStart(nn.Module):
    """x + α(block(x) − x) with a learned α that begins at 0.

    De et al. 2020 (arXiv 2002.10444) and Bachlechner et al. 2020 (arXiv 2003.04887) start residual branches so. Only α
    has a gradient in the first step, as nothing else can change the output yet.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = x + self.alpha * (self.block(x) - x)
        return made


class IdentityGate(Gate):
    """As IdentityStart, of a gate: y + α(gate(x, y) − y)."""

    def __init__(self, block: Gate) -> None:
        super().__init__()
        self.block = block
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        made: Tensor = y + self.alpha * (self.block(x, y) - y)
        return made


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("an odd number, so that there is a middle")
    return value


Count = Annotated[int, Field(ge=1, le=65_536)]
Odd = Annotated[int, Field(ge=1, le=65_536), AfterValidator(_odd)]
Chance = Annotated[float, Field(ge=0, lt=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

Make = Callable[..., nn.Module]
KINDS: dict[str, Make] = {}
ALIKE: set[str] = set()
M = TypeVar("M", bound=Make)


def register(name: str, *, alike: bool = False) -> Callable[[M], M]:
    """Register how a block is made: ``name`` is in ``suture.spec.names.BLOCKS``; with ``alike`` it does not matter to
    the block where in a map a cell is, and class tokens are cells to it.

    The function takes a Site and, by keyword with defaults, the block's own parameters, whose annotations say which
    values are allowed. It gives a module that takes and gives maps (N, C, H, W), whatever the layout at the site is (a
    vector is a map of one cell), or one of ``AnyLayout``, such as a ``Gate``. It may draw from torch's random state and
    nowhere else, and raises PlanError where a block of its kind cannot be. Its docstring begins with what ``suture ls
    blocks`` tells.
    """

    def keep(make: M) -> M:
        KINDS[name] = make
        if alike:
            ALIKE.add(name)
        return make

    return keep


def parameters_of(block: str) -> dict[str, Value]:
    """The parameters of a kind and their defaults, by name. Raises PlanError for an unknown kind."""
    known = signature(_kind(block)).parameters.values()
    return {one.name: one.default for one in known if one.kind is Parameter.KEYWORD_ONLY}


def described(block: str) -> str:
    """What a kind does, in a line."""
    return (_kind(block).__doc__ or "").partition("\n")[0].rstrip(".")


def check(block: str, params: Mapping[str, Value]) -> None:
    """Raises PlanError for an unknown kind, a parameter that it does not have, or a value that this cannot have."""
    known = parameters_of(block)
    for name, value in params.items():
        if name not in known:
            told = listed(f"{other}={default}" for other, default in known.items()) or "none at all"
            raise PlanError(
                f"{block} has no parameter {name!r}",
                expected=told,
                instead=f"{nearest(name, known, 1)[0]}={value}" if known else f"{block} without parameters",
            )
        try:
            TypeAdapter(get_annotations(KINDS[block])[name]).validate_python(value, strict=True)
        except ValidationError as error:
            told = error.errors()[0]["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
            default = known[name]
            raise PlanError(
                f"{block} with {name}={value!r}",
                expected=told,
                instead=f"{block} without {name}, so that it fits" if default is None else f"{name}={default}",
            ) from error


def build(
    block: str, params: Mapping[str, Value], site: Site, *, identity_start: bool = False, seed: int = 0
) -> nn.Module:
    """The block for a site, random by ``seed``, in float32 on the CPU; the caller's random state is left alone.

    Takes and gives activations as they are at the site; a ``Gate`` takes the layer's input and its output. Raises
    PlanError where there can be none.
    """
    check(block, params)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        made = KINDS[block](site, **params)
    if isinstance(made, Gate):
        return IdentityGate(made) if identity_start else made
    flat = len(site.out) == 1 < len(site.shape)
    if block in ALIKE and site.layout in (Layout.NLC, Layout.NCL):
        made = OnTokens(made, site.layout)
    elif not isinstance(made, AnyLayout) and (flat or site.layout is not Layout.NCHW):
        made = OnGrid(made, site.layout, site.frame, flat)
    return IdentityStart(made) if identity_start else made


def _kind(block: str) -> Make:
    if block not in KINDS:
        raise PlanError(
            f"there is no block {block!r}",
            expected=", ".join(KINDS),
            instead=listed(nearest(block, KINDS)),
        )
    return KINDS[block]
