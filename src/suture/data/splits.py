"""How data are divided where they do not come divided: a test share, and folds."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from suture.data.dataset import DataSet, Split
from suture.data.groups import with_groups
from suture.data.holdout import hold_out
from suture.errors import DataError
from suture.spec.recipe import Splits

Fold = tuple[list[int], list[int]]


def divide(data: DataSet, splits: Splits, seed: int, tell: Callable[[str], None] = lambda _: None) -> DataSet:
    """The data with groups, a test split and the share of validation, as far as ``splits`` asks for them.

    A split that the data come with stays, and ``tell`` hears so. The test share is drawn by ``splits.seed``, else by
    ``seed``. Raises DataError where groups do not fit the images, or too few images are there to hold some out.
    """
    data = with_groups(data, splits.group)
    for asked, name in ((splits.test, "test"), (splits.val, "val")):
        if asked and getattr(data, name) is not None:
            tell(f"{data.name} comes with a {name} split; no other is held out")
    data = replace(data, val_share=splits.val)
    if not splits.test or data.test is not None:
        return data
    drawn = seed if splits.seed is None else splits.seed
    kept, held = hold_out(data.train.labels, splits.test, drawn, data.train.groups)
    if not held:
        raise DataError(
            f"a test share of {splits.test:g} of {data.name} holds out none of {len(data.train)} images",
            expected="two images of some class, or a group without which every class is still learned from",
            instead="more images, no --test-share, or data that come with a test folder or array",
        )
    return replace(data, train=data.train.select(kept), test=data.train.select(held))


def folds(split: Split, k: int, seed: int) -> list[Fold]:
    """The (kept, held) indices of ``k`` folds, in file order: every image is held out once.

    Stratified by class (of multi-label data at random), with whole groups where the split has some: scikit-learn's
    folds. A class of fewer images, or groups, than ``k`` is missing from some folds, and one with a single one is
    not learned from where it is held out. Raises DataError where some fold would have nothing to learn from or to
    hold out, or no class has ``k`` images.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    several, groups = split.labels.ndim == 2, split.groups
    units = len(split) if groups is None else len(groups.unique())
    most = units if several else int(split.labels.bincount().max())
    if k < 2 or units < k or most < k:
        what = "images" if groups is None else "groups"
        of = f"{units} {what}" if several or units < k else f"{most} images at most of a class"
        raise DataError(
            f"{k} folds of {len(split)} images, {of}",
            expected=f"2 folds or more, and as many {what} and images of some class",
            instead=f"--folds {max(min(units, most), 2)}" if min(units, most) > 1 else "more images",
        )
    alone, together = (KFold, GroupKFold) if several else (StratifiedKFold, StratifiedGroupKFold)
    kind: Any = alone if groups is None else together
    strata = torch.zeros(len(split)) if several else split.labels
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        drawn = kind(k, shuffle=True, random_state=seed).split(
            np.zeros(len(split)), strata.numpy(), None if groups is None else groups.numpy()
        )
        found = [(kept.tolist(), held.tolist()) for kept, held in drawn]
    if not all(kept and held for kept, held in found):
        raise DataError(
            f"{k} folds of {units} groups leave one with nothing to learn from or to hold out",
            expected="groups enough, of sizes not too unlike",
            instead=f"--folds {k - 1}" if k > 2 else "more groups",
        )
    return found
