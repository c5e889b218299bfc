"""Which tensor of one network is which of another: by patterns of names, by renaming, and by structure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from torch import Tensor

from suture.errors import WeightsError, listed, nearest

HEADS = ("fc", "classifier", "head", "heads", "head_dist", "last_linear")
_COUNT = "num_batches_tracked"


def matches(pattern: str, name: str) -> bool:
    """Whether the components of ``pattern`` follow each other, whole, anywhere in ``name``.

    ``*`` stands for any part of one component: ``fc`` matches ``fc.weight`` and ``head.fc.bias`` but not
    ``fc1.weight``, ``layer*.1`` matches ``layer4.1.conv1.weight``.
    """
    wanted, given = pattern.split("."), name.split(".")
    starts = range(len(given) - len(wanted) + 1)
    return any(all(map(fnmatchcase, given[start:], wanted)) for start in starts)


def chosen(
    names: Sequence[str], others: Sequence[str], include: Sequence[str] | None, exclude: Sequence[str]
) -> list[str]:
    """The ``names`` that match a pattern of ``include`` (None: all) and none of ``exclude``.

    Raises WeightsError for a pattern that matches nothing: of ``include`` among ``names``, of ``exclude`` there or
    among ``others``, the names of the other network. Only the usual names of a head, HEADS, may be excluded together
    where one of them matches.
    """
    for pattern in include or ():
        _check(pattern, names, "include_patterns")
    known = [*names, *others]
    usual = [pattern for pattern in exclude if pattern in HEADS]
    found = any(matches(pattern, name) for pattern in usual for name in known)
    for pattern in exclude:
        if not (found and pattern in HEADS):
            _check(pattern, known, "exclude_patterns")
    return [
        name
        for name in names
        if (include is None or any(matches(pattern, name) for pattern in include))
        and not any(matches(pattern, name) for pattern in exclude)
    ]


def _check(pattern: str, names: Sequence[str], option: str) -> None:
    if not any(matches(pattern, name) for name in names):
        parts = dict.fromkeys(part for name in names for part in (*name.split("."), *_prefixes(name)))
        raise WeightsError(
            f"no tensor has {pattern!r} in its name",
            expected="whole components of a name, such as layer4.1, in which * stands for any part of one",
            instead=f"{option}=[{', '.join(map(repr, nearest(pattern, parts)))}]",
        )


def renamed(names: Iterable[str], rules: Mapping[str, str]) -> dict[str, str]:
    """What ``rules`` make of each name: the longest rule whose whole components it begins with, applied once.

    A rule turns a prefix (or a whole name) into another; the empty prefix is that of every name. Raises WeightsError
    for a rule that no name begins with, and for two names that become the same.
    """
    if not isinstance(rules, Mapping) or not all(isinstance(text, str) for rule in rules.items() for text in rule):
        raise WeightsError(
            f"mapping={rules!r}",
            expected="beginnings of names, each with what it becomes",
            instead='mapping={"backbone": ""}',
        )
    tidy = {old.strip("."): new.strip(".") for old, new in rules.items()}
    order = sorted(tidy, key=len, reverse=True)
    result: dict[str, str] = {}
    source: dict[str, str] = {}
    used = set()
    names = list(names)
    for name in names:
        rule = next((old for old in order if old in ("", name) or name.startswith(f"{old}.")), None)
        new = name
        if rule is not None:
            used.add(rule)
            new = ".".join(part for part in (tidy[rule], name.removeprefix(rule).strip(".")) if part)
        if new in source:
            raise WeightsError(
                f"{source[new]} and {name} both become {new}",
                expected="rules that give every tensor a name of its own",
                instead=f"a mapping that leaves one of them, or exclude_patterns=[{name!r}]",
            )
        result[name], source[new] = new, name
    for old in order:
        if old not in used and not any(old in ("", name) or name.startswith(f"{old}.") for name in names):
            known = dict.fromkeys(prefix for name in names for prefix in _prefixes(name))
            near = nearest(old, known, 1)
            raise WeightsError(
                f"no tensor has a name that begins with {old!r}",
                expected=f"a prefix of {listed(names, 3)}",
                instead=f"mapping={{{near[0]!r}: {tidy[old]!r}}}" if near else "no mapping",
            )
    return result


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


@dataclass(frozen=True)
class Pairs:
    """Tensors paired by structure, given name to own, and the own ones that could have had more than one partner."""

    names: dict[str, str]
    ambiguous: tuple[str, ...]


def by_structure(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Pairs:
    """Pairs of tensors by the order and the shapes of the modules that they are in, whatever those are called.

    The tensors of one module stay together. Two modules are alike where the last components and the shapes of their
    tensors are the same, in order (a count of batches may lack). Both mappings, in their order, are so a sequence of
    modules, and two modules are paired where every longest common subsequence of the two pairs them. What only some
    pair (two of three equal blocks) is ambiguous, and left alone.
    """
    rows, columns = _modules(given), _modules(own)
    kinds = {kind: number for number, kind in enumerate(dict.fromkeys([*rows.values(), *columns.values()]))}
    alike = np.equal.outer([kinds[kind] for kind in rows.values()], [kinds[kind] for kind in columns.values()])
    before = _longest(alike)
    after = _longest(alike[::-1, ::-1])[::-1, ::-1]
    # Every longest common subsequence has one pair of each rank, so a pair that is alone with its rank is in all.
    rank = before[:-1, :-1] + 1
    places = np.argwhere(alike & (rank + after[1:, 1:] == before[-1, -1]))
    ranks = [int(rank[row, column]) for row, column in places]
    first, second = list(rows), list(columns)
    names: dict[str, str] = {}
    ambiguous: dict[str, None] = {}
    for (row, column), number in zip(places, ranks, strict=True):
        one, other = first[row], second[column]
        if ranks.count(number) == 1:
            names |= {
                _joined(one, leaf): _joined(other, leaf)
                for leaf in (*(leaf for leaf, _ in rows[one]), _COUNT)
                if _joined(one, leaf) in given and _joined(other, leaf) in own
            }
        else:
            ambiguous |= dict.fromkeys(_joined(other, leaf) for leaf, _ in columns[other])
    return Pairs(names, tuple(ambiguous))


def _modules(state: Mapping[str, Tensor]) -> dict[str, tuple[tuple[str, tuple[int, ...]], ...]]:
    """The tensors of each module: their own names and shapes."""
    found: dict[str, tuple[tuple[str, tuple[int, ...]], ...]] = {}
    for name, tensor in state.items():
        module, _, leaf = name.rpartition(".")
        if leaf != _COUNT:
            found[module] = (*found.get(module, ()), (leaf, tuple(tensor.shape)))
    return found


def _longest(alike: Any) -> Any:
    """Lengths of the longest common subsequences of all pairs of beginnings."""
    lengths = np.zeros([size + 1 for size in alike.shape], dtype=np.int64)
    for row, equal in enumerate(alike):
        best = np.maximum(lengths[row, 1:], lengths[row, :-1] + equal)
        lengths[row + 1, 1:] = np.maximum.accumulate(best)
    return lengths


def _joined(module: str, leaf: str) -> str:
    return f"{module}.{leaf}" if module else leaf
