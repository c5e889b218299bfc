"""Weights of one network into another, as far as they fit, with a report of what did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from suture.errors import WeightsError, listed, nearest
from suture.sources.fresh import kaiming
from suture.sources.matching import by_structure, chosen, renamed
from suture.sources.weights import bare_names, named_tensors, read_weights

MATCHES = ("name", "structure")
STARTS = ("kaiming",)

Given = Mapping[str, Any] | str | Path
Shape = tuple[int, ...]


@dataclass(frozen=True)
class LoadReport:
    """What became of every tensor. Names are the model's own, those in ``unexpected`` the given ones.

    ``mismatched`` have a tensor of their name with another shape: (name, given shape, own shape); ``missing`` have
    none, and ``initialised`` are those of them that were started anew. ``paired`` are the tensors that structure
    found, given name and own; ``ambiguous`` those of ``missing`` that it could have paired in several ways.
    """

    loaded: tuple[str, ...]
    mismatched: tuple[tuple[str, Shape, Shape], ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    initialised: tuple[str, ...] = ()
    paired: tuple[tuple[str, str], ...] = ()
    ambiguous: tuple[str, ...] = ()

    @property
    def load_ratio(self) -> float:
        """The share of the model's tensors that was loaded."""
        return len(self.loaded) / max(1, len(self.loaded) + len(self.mismatched) + len(self.missing))

    def summary(self) -> str:
        """A line for each kind of tensor that there is, with the first names."""
        total = len(self.loaded) + len(self.mismatched) + len(self.missing)
        shapes = [f"{name} {_spelled(given)} for {_spelled(own)}" for name, given, own in self.mismatched]
        kinds = {
            "paired by structure": [f"{given} as {own}" for given, own in self.paired],
            "of another shape": shapes,
            "missing": self.missing,
            "initialised": self.initialised,
            "could be paired in several ways": self.ambiguous,
            "unexpected": self.unexpected,
        }
        lines = [f"{len(names)} {kind}: {listed(names, 3)}" for kind, names in kinds.items() if names]
        return "\n".join([f"{len(self.loaded)} of {total} tensors loaded ({self.load_ratio:.1%})", *lines])


def partial_load(
    model: nn.Module,
    state_dict: Given,
    ignore_mismatch: bool = True,
    init_new_layers: str | None = "kaiming",
    *,
    match: str = "name",
    mapping: Mapping[str, str] | None = None,
    seed: int = 0,
) -> LoadReport:
    """Load into ``model``, in place, every tensor of a checkpoint that fits, and start what is new.

    ``state_dict`` is a mapping of tensors, a checkpoint with one inside (``state_dict``, ``model`` or
    ``model_state_dict``), or a weight file (``read_weights``). What DistributedDataParallel and torch.compile put
    before names is no matter, on either side. A tensor fits where the name and the shape are the model's;
    ``mapping`` renames first (``renamed``), and ``match="structure"`` then pairs what names left over on both sides
    (``by_structure``). The model's tensors keep their type, device and whether they learn.

    ``init_new_layers="kaiming"`` starts the plain layers among the tensors that the checkpoint does not have, drawn
    by ``seed`` (``fresh.kaiming``); with None these stay as they are, as tensors of another shape always do. Nothing
    else is changed, and the random state is left alone.

    Raises WeightsError, and then changes nothing: where no tensor has a name of the model's, or, without
    ``ignore_mismatch``, where one has another shape.
    """
    _check_word("init_new_layers", init_new_layers, (*STARTS, None))
    given = renamed(tensors := _read(state_dict), mapping or {})
    state = {new: tensors[name] for name, new in given.items()}
    report = _load(model, state, match, ignore_mismatch)
    if init_new_layers is None:
        return report
    own = model.state_dict(keep_vars=True)
    had = {id(own[name]) for name in own.keys() - set(report.missing)}
    new = {name: own[name] for name in report.missing if id(own[name]) not in had}
    return LoadReport(**{**vars(report), "initialised": kaiming(model, new, seed)})


def transfer_weights(
    source: nn.Module | Given,
    target: nn.Module,
    include_patterns: Sequence[str] | None = None,
    exclude_patterns: Sequence[str] | None = None,
    mapping: Mapping[str, str] | None = None,
    *,
    match: str = "name",
) -> LoadReport:
    """Copy into ``target``, in place, the tensors of a network (or of what ``partial_load`` takes) that fit it.

    Patterns are whole components of names, anywhere in them: ``fc`` is ``fc.weight`` and ``head.fc.bias`` but not
    ``fc1.weight``, ``layer4.1`` two that follow each other, and ``*`` any part of one. They choose by the source's
    names; those included must be there, those excluded in the source or in the target (of the usual names of a
    head, one). ``mapping`` then gives prefixes other names: ``{"backbone": "", "encoder.layer1": "layer1"}``.
    ``match`` is that of ``partial_load``. Nothing is ever initialised, and what is not loaded stays bit for bit.

    Raises WeightsError, and then changes nothing: for a pattern or a rule that matches nothing, for two tensors that
    get one name, and where no tensor fits by name.
    """
    tensors = _read(_tensors(source) if isinstance(source, nn.Module) else source)
    include, exclude = _patterns(include_patterns), _patterns(exclude_patterns)
    kept = chosen(list(tensors), list(bare_names(_own(target)).values()), include, exclude or ())
    given = renamed(kept, mapping or {})
    return _load(target, {new: tensors[name] for name, new in given.items()}, match, True)


def _load(model: nn.Module, state: Mapping[str, Tensor], match: str, ignore_mismatch: bool) -> LoadReport:
    _check_word("match", match, MATCHES)
    named = _own(model)
    own = {bare: (name, named[name]) for name, bare in bare_names(named).items()}
    common = [name for name in own if name in state]
    pairs = {name: name for name in common if state[name].shape == own[name][1].shape}
    mismatched = [name for name in common if name not in pairs]
    missing = {name: tensor for name, (_, tensor) in own.items() if name not in state}
    unexpected = {name: tensor for name, tensor in state.items() if name not in own}
    ambiguous: tuple[str, ...] = ()
    found: dict[str, str] = {}
    if match == "structure":
        structure = by_structure(unexpected, missing)
        found, ambiguous = structure.names, structure.ambiguous
    if not common and not found:
        raise _strange(model, list(state), list(own))
    shapes = tuple((own[name][0], tuple(state[name].shape), tuple(own[name][1].shape)) for name in mismatched)
    if shapes and not ignore_mismatch:
        told = [f"{name} {_spelled(given)} for {_spelled(wanted)}" for name, given, wanted in shapes]
        raise WeightsError(
            f"{len(shapes)} tensors are of another shape: {listed(told)}",
            expected=f"the shapes of this {type(model).__name__}",
            instead="ignore_mismatch=True, which leaves these as they are",
        )
    pairs |= {wanted: name for name, wanted in found.items()}
    # Into its own state dict, which carries the versions that some networks ask for (MNASNet).
    whole = model.state_dict()
    whole.update({own[wanted][0]: state[name] for wanted, name in pairs.items()})
    model.load_state_dict(whole)
    return LoadReport(
        loaded=tuple(own[name][0] for name in own if name in pairs),
        mismatched=shapes,
        missing=tuple(own[name][0] for name in missing if name not in pairs),
        unexpected=tuple(name for name in unexpected if name not in found),
        paired=tuple((name, own[wanted][0]) for name, wanted in found.items()),
        ambiguous=tuple(own[name][0] for name in ambiguous),
    )


def _own(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a model, by name. Raises WeightsError where it has none to write to."""
    if not isinstance(model, nn.Module):
        raise WeightsError(
            f"weights to be loaded into {type(model).__name__}",
            expected="a network (torch.nn.Module) to load them into",
            instead="partial_load(model, state_dict), or transfer_weights(source, target)",
        )
    state = _tensors(model)
    empty = [name for name, tensor in state.items() if is_lazy(tensor) or tensor.is_meta]
    if empty:
        raise WeightsError(
            f"{listed(empty, 3)} of this {type(model).__name__} hold no numbers yet",
            expected="a network whose parameters have shapes, on a device",
            instead='network(example) once for lazy layers, or network.to_empty(device="cpu")',
        )
    return state


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}


def _read(given: Any) -> dict[str, Tensor]:
    """The tensors given, by name. Raises WeightsError where one holds nothing that could be copied."""
    if isinstance(given, (str, Path)):
        return read_weights(Path(given))
    tensors = named_tensors(given, "what was given for weights")
    strange = [
        name
        for name, tensor in tensors.items()
        if is_lazy(tensor) or tensor.is_meta or tensor.is_quantized or tensor.layout is not torch.strided
    ]
    if strange:
        raise WeightsError(
            f"{listed(strange, 3)} of what was given hold no plain numbers",
            expected="dense tensors that are on a device, and not quantized",
            instead="the weights of a network that was built with numbers; tensor.to_dense() of sparse ones",
        )
    return tensors


def _patterns(given: Sequence[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    return (given,) if isinstance(given, str) else tuple(given)


def _check_word(option: str, given: Any, known: Sequence[str | None]) -> None:
    if given not in known:
        near = nearest(str(given), [word for word in known if word], 1)[0]
        raise WeightsError(
            f"{option}={given!r}",
            expected=f"one of {', '.join(map(repr, known))}",
            instead=f"{option}={near!r}",
        )


def _strange(model: nn.Module, given: Sequence[str], own: Sequence[str]) -> WeightsError:
    """What to say of a checkpoint of which no name is known; a prefix that would make them known is found."""
    return WeightsError(
        f"no tensor of a {type(model).__name__} has a name of those given: {listed(given, 3) or 'none at all'}",
        expected=f"names such as {listed(own, 3)}",
        instead=_rule(given, own) or 'the weights of another network, a mapping of names, or match="structure"',
    )


def _rule(given: Sequence[str], own: Sequence[str]) -> str | None:
    known = set(own)
    for rule, names in (((_first(given), ""), given), (("", _first(own)), own)):
        head = f"{max(rule)}."
        short = {name.removeprefix(head) for name in names if name.startswith(head)}
        if short & (known if names is given else set(given)):
            return f"mapping={{{rule[0]!r}: {rule[1]!r}}}"
    return None


def _first(names: Sequence[str]) -> str:
    return names[0].partition(".")[0] if names else ""


def _spelled(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "one number"
