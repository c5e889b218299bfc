"""The verbs of ``import suture``, for programs and notebooks."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from torch import Tensor, nn

from suture import sources
from suture.data.dataset import Split, SplitName
from suture.data.load import load_data
from suture.errors import DataError, SourceError
from suture.evaluation import Scores
from suture.evaluation import evaluate as evaluate_split
from suture.graph import Network
from suture.hybrids import Fusion, HybridModel, Saved, parent, store
from suture.measures import compare_pairs
from suture.recipes.compare import comparison, images_of
from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.recipes.matrix import SimilarityMatrix
from suture.recipes.read import find_recipe, read_recipe
from suture.recipes.staged import train_in_place
from suture.runs import Watch
from suture.spec.at import Pair
from suture.spec.compare import SAMPLES, SpatialHandling
from suture.spec.cut import Cut
from suture.spec.layers import read_layers
from suture.spec.measures import measure_name
from suture.spec.recipe import Recipe, SearchStep, Step, TrainStep


def load(source: str, *, trust_code: bool = False, num_classes: int | None = None, seed: int = 0) -> Network:
    """A network by its source, in eval mode: RGB images (N, 3, H, W) in [0, 1] to logits (N, classes).

    Raises SourceError, WeightsError, TrustError.
    """
    if not isinstance(source, str):
        raise SourceError(
            f"a {type(source).__name__} is no source",
            expected="the name of a network, as KIND:NAME[@WEIGHTS]",
            instead='load("zoo:tiny10-a")',
        )
    return sources.load(source, trust_code=trust_code, num_classes=num_classes, seed=seed)


def cuts(network: str | nn.Module, *, fine: bool = False, example: Tensor | None = None) -> tuple[Cut, ...]:
    """Where a network can be cut: between its blocks, or with ``fine`` at every legal place, in order.

    ``example`` is a batch of input for a module that did not come from ``load``. Raises TraceError.
    """
    return parent(network, example).traced.cuts(fine)


def split(network: str | nn.Module, cut: str, *, example: Tensor | None = None) -> tuple[nn.Module, nn.Module]:
    """(encoder, decoder) with ``decoder(encoder(x)) == network(x)`` in both modes, on the network's own parameters.

    Raises CutError where there is no such cut, saying why.
    """
    return parent(network, example).traced.split(cut)


def load_hybrid(
    folder: str | Path,
    *networks: str | nn.Module,
    example: Tensor | None = None,
) -> Saved:
    """A hybrid, a fusion or a patched network that ``suture.save`` wrote, from its folder and all its parents in order.

    Raises PlanError, WeightsError.
    """
    return store.load(Path(folder), [parent(network, example) for network in networks])


class _Warning(Watch):
    def say(self, text: str) -> None:
        warnings.warn(text, stacklevel=2)


def compare(
    a: str | nn.Module,
    b: str | nn.Module,
    *,
    data: str = "sample",
    layers: str | Sequence[str | Pair] | None = None,
    measure: str | Sequence[str] = "cka",
    split: SplitName = "test",
    samples: int = SAMPLES,
    spatial: SpatialHandling = "flatten",
    null: int = 0,
    seed: int = 0,
    example: Tensor | None = None,
    trust_code: bool = False,
) -> Any:
    """How alike layers of two networks are: a SimilarityMatrix, or of several measures a dict of them by name.

    Several measures, a sequence or ``"cka,procrustes"``, go in one pass over the ``samples``, which are images of a
    split: the first where the file order is random, else drawn by ``seed``. ``layers`` are pairs (X, Y) or "X:Y", or
    "X1:Y1,X2:Y2", or patterns: "layer*" for both networks, "layer*:features.*" for A and for B. Without them every
    block cut of ``a`` is compared with every one of ``b``, or what the adapter of a hybrid ``a`` gives with the
    activation of ``b`` whose place it takes. Of maps every entry is a feature (``spatial`` flatten), or the mean of
    each channel over the grid (mean), or the samples are points of the images (positions). ``null`` permutations of
    the images give p-values. A layer that says nothing, being constant or not finite, has None for values, and a
    warning says so; where pairs were named it is an error.

    Networks are source strings or modules, which stay as they are; one that did not come from ``load`` needs an
    ``example`` batch of its input, and sees images in [0, 1]. Raises MeasureError, CutError, PlanError, DataError.
    """
    left = parent(a, example, trust_code=trust_code, seed=seed)
    right = left if b is a or (isinstance(a, str) and a == b) else parent(b, example, trust_code=trust_code, seed=seed)
    several = not isinstance(measure, str) or "," in measure
    names = [name.strip() for name in (measure.split(",") if isinstance(measure, str) else measure)]
    images, asked = comparison(
        left,
        right,
        _split(data, split, seed, left.network, right.network),
        names,
        read_layers(layers or ()),
        samples=samples,
        spatial=spatial,
        permutations=null,
        seed=seed,
        watch=_Warning(),
    )
    found = compare_pairs(asked, lambda size: images_of(images, size))
    matrices = {one.measure: SimilarityMatrix.of(one) for one in found}
    named = {name: matrices[measure_name(name)] for name in names}
    return named if several else named[names[0]]


def evaluate(
    network: str | nn.Module, data: str = "sample", *, split: SplitName = "test", seed: int = 0, tta: str = "none"
) -> Scores:
    """Accuracy, cross-entropy (nats) and predictions on one split; ``tta`` none, flip or crops averages over views.

    Raises DataError, UsageError.
    """
    module = load(network) if isinstance(network, str) else network
    return evaluate_split(module, _split(data, split, seed, module), tta=tta)


def _split(data: str, split: SplitName, seed: int, *networks: nn.Module) -> Split:
    """One split, its image files decoded to the largest side that a network wants."""
    if split not in get_args(SplitName):
        raise DataError(
            f"there is no split {split!r}", expected=f"one of {', '.join(get_args(SplitName))}", instead='split="test"'
        )
    found = load_data(data, size=max(getattr(network, "decode_size", None) or 224 for network in networks))
    return (found.with_validation(seed) if split == "val" else found).split(split)


def search(
    a: str,
    b: str,
    *more: str,
    data: str = "sample",
    seed: int = 0,
    out: str | Path,
    trust_code: bool = False,
    **fields: Any,
) -> dict[str, Any]:
    """``suture search`` from Python: writes the run folder ``out`` and returns what ``--json`` prints.

    ``fields`` are those of SearchStep: top, fit_images, score_images, init, stage, ...
    """
    return _run(SearchStep(a=a, b=b, more=more, **fields), data, seed, out, trust_code)


def train(
    model: str | Fusion | Network | HybridModel,
    *,
    data: str = "sample",
    seed: int = 0,
    out: str | Path,
    trust_code: bool = False,
    **fields: Any,
) -> dict[str, Any]:
    """``suture train`` from Python: writes the run folder ``out``; ``load("run:OUT")`` is the trained network.

    ``fields`` are those of TrainStep. A ``Fusion``, or what ``suture.patch`` or a ``HybridBuilder`` made, is trained in
    place, in ``stages`` (a sequence of Stage or of their fields, by default those of ``suture fuse`` or ``suture
    patch``), and ``load_hybrid(out, a, b)`` gives it again; a ``HybridModel`` sees images in [0, 1] as they are.
    ``run`` does all that a recipe does. Raises PlanError, DataError.
    """
    if isinstance(model, str):
        return _run(TrainStep(model=model, **fields), data, seed, out, trust_code)
    context = Context(Recipe.model_construct(data=data, seed=seed, steps=()), trust_code=trust_code)
    return train_in_place(model, context, Path(out), **fields)


def run(
    recipe: str | Path | Recipe,
    *,
    out: str | Path,
    trust_code: bool = False,
    **given: Any,
) -> dict[str, Any]:
    """``suture run`` from Python: carries out a recipe in the run folder ``out``, or goes on where that stopped.

    ``recipe`` is a Recipe, a YAML file, or the name of one that comes with Suture (``hybrid-cnn``); ``given`` goes
    before what it says: data, seed, device, splits, ... Raises RecipeError, and whatever its steps raise.
    """
    if isinstance(recipe, Recipe):
        recipe = Recipe.model_validate(dict(recipe) | given)
    else:
        recipe = read_recipe(find_recipe(Path(recipe)), given)
    return execute(Context(recipe, trust_code=trust_code), Path(out))


def _run(step: Step, data: str, seed: int, out: str | Path, trust_code: bool) -> dict[str, Any]:
    return execute(Context(Recipe(data=data, seed=seed, steps=(step,)), trust_code=trust_code), Path(out))
