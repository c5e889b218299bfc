"""``explain``: where a network looks, right or wrong; what each backbone of a fusion is worth."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from suture.data.dataset import DataSet, Split
from suture.data.images import FileImages
from suture.errors import DataError, PlanError, nearest
from suture.evaluation import predict
from suture.explanation import GRAD_CAM, Explanation, branch_shares, check_method, explain, find_maps
from suture.explanation.explanation import WHOLE
from suture.graph import Network
from suture.hybrids import Fusion, Parent
from suture.recipes.context import Context, check_outputs
from suture.recipes.pictures import image_files
from suture.recipes.seen import warn_of_seen
from suture.recipes.train import outputs
from suture.recipes.verb import Outcome, Verb
from suture.reporting.overlays import Shown, gallery, strip
from suture.runs import RunFolder, replacing, write_json
from suture.spec.fuse import ExplainStep
from suture.spec.record import Number

MOST, BATCH = 2000, 256
SMALLEST, LARGEST = 160, 320


@dataclass(frozen=True)
class Explain(Verb):
    """``layers`` are () for methods that look at pixels; without ``labelled`` the labels of ``data`` mean nothing."""

    step: ExplainStep
    context: Context
    side: Parent
    data: DataSet
    split: Split
    labelled: bool
    layers: tuple[str, ...]
    target: int | None

    @classmethod
    def prepare(cls, step: ExplainStep, context: Context) -> "Explain":
        check_method(step.method, step.layer)
        side = Parent(context.network(step.model))
        network, labelled = _network(side), not step.images
        data = _labelled(step, context, network) if labelled else _named(step, context, network)
        count = outputs(network, data)
        if labelled:
            check_outputs(network.origin, count, data)
        names = tuple(data.classes) or tuple(map(str, range(count)))
        data = replace(data, classes=names if len(names) == count else tuple(map(str, range(count))))
        split = data.split(step.split if labelled else "train")
        target = None if step.target is None else _class(step.target, data.classes)
        layers = find_maps(side.traced, step.layer) if step.method == GRAD_CAM else ()
        return cls(step, context, side, data, split, labelled, tuple(value.cut.name for value in layers), target)

    def run(self, folder: RunFolder) -> Outcome:
        network, watch = _network(self.side), self.context.watch
        if self.labelled and self.step.split != "train":
            warn_of_seen(self.step.model, self.context.recipe, self.split, watch)
        looked = self.split.spread(MOST) if self.labelled else self.split
        right = self._right(looked) if self.labelled else None
        chosen = _chosen(looked.labels, right, self.step.count, self.context.seed) if right is not None else None
        shown = looked if chosen is None else looked.select(chosen)
        images = torch.cat([part for part, _ in shown.batches(BATCH)])
        network.to(self.context.device)
        with watch.task(f"explaining {len(images)} images by {self.step.method}", 1) as advance:
            found = explain(self.side, images, self.target, self.layers or None, method=self.step.method)
            advance("", 1)
        lines = self._lines(shown, found)
        shares = self._shares(looked)
        result: dict[str, Any] = {
            "network": network.origin,
            "data": self.data.name,
            "split": self.step.split if self.labelled else None,
            "method": self.step.method,
            "layers": found.branches if self.layers else {},
            "images": lines,
            "shares": shares,
            "n": len(looked),
            "accuracy": None if right is None else right.double().mean().item(),
        }
        self._write(folder, result, images, found)
        numbers = [] if right is None else [Number("accuracy", result["accuracy"], "share", True)]
        for name, told in (shares or {}).items():
            numbers.append(Number(f"cross_entropy_rise {name}", told["cross_entropy_rise"], "nats", True))
        record = self.context.record("explain", tuple(numbers), len(looked), result["split"] or "images", self.data)
        return Outcome(result, record)

    def _right(self, looked: Split) -> Tensor:
        if len(looked) < len(self.split):
            self.context.watch.say(f"{MOST} of {len(self.split)} {self.step.split} images are looked at, evenly spaced")
        logits, labels = predict(_network(self.side), looked.batches(BATCH), self.context.device)
        return logits.argmax(1) == labels

    def _lines(self, shown: Split, found: Explanation) -> list[dict[str, Any]]:
        lines = []
        classes, answers = self.data.classes, found.logits.argmax(1).tolist()
        for k, answer in enumerate(answers):
            name = shown.name(k)
            lines.append(
                {
                    "image": name,
                    "truth": classes[int(shown.labels[k])] if self.labelled else None,
                    "answer": classes[answer],
                    "confidence": found.probabilities[k, answer].item(),
                    "target": classes[int(found.targets[k])],
                    "file": f"images/{k + 1:03}-{_plain(name)}.png",
                }
            )
        return lines

    def _shares(self, looked: Split) -> dict[str, Any] | None:
        body = _network(self.side).body
        if not isinstance(body, Fusion) or not self.labelled or len(body.pretrained) < 2:
            return None
        told = branch_shares(body, looked, device=self.context.device)
        if all(each.share is None for each in told.values()):
            self.context.watch.say("no backbone is missed when it alone is left out: there are no shares")
        return {name: {"network": origin, **asdict(told[name])} for name, origin in _origins(body).items()}

    def _write(self, folder: RunFolder, result: dict[str, Any], images: Tensor, found: Explanation) -> None:
        (folder.path / "images").mkdir(exist_ok=True)
        shown = _pictures(result["images"], images, found, _labels(_network(self.side), found))
        for line, one in zip(result["images"], shown, strict=True):
            strip(one, folder.path / line["file"])
        of = f"{result['split']} images of {result['data']}" if self.labelled else result["data"]
        title = f"{self.step.method} of {result['network']}"
        what = "the class answered" if self.target is None else self.data.classes[self.target]
        note = f"{of[0].upper()}{of[1:]}. Bright: what speaks for {what}; each map by its own largest value."
        note += " Dark: not seen." if any(window != WHOLE for window in found.windows.values()) else ""
        gallery(shown, folder.plots / "gallery.png", title=title, note=note)
        _save(folder.path / "maps.npz", found)
        write_json(folder.path / "explain.json", self._told(result, found))

    def _told(self, result: dict[str, Any], found: Explanation) -> dict[str, Any]:
        """More of every map and image than the result says."""
        chosen = (
            f"{self.step.count} right and {self.step.count} wrong answers among {result['n']} images, drawn by seed "
            f"{self.context.seed}, the classes in turn"
            if self.labelled
            else "the images that were named"
        )
        maps = {
            branch: {"layer": name, "grid": list(found.maps[name].shape[1:]), "window": list(found.windows[name])}
            for branch, name in found.branches.items()
        }
        rows = [dict(zip(self.data.classes, row, strict=True)) for row in found.probabilities.tolist()]
        images = [{**line, "probabilities": row} for line, row in zip(result["images"], rows, strict=True)]
        return {"method": self.step.method, "chosen": chosen, "maps": maps, "images": images}


def _network(side: Parent) -> Network:
    if not isinstance(side.network, Network):
        raise AssertionError(type(side.network))
    return side.network


def _labelled(step: ExplainStep, context: Context, network: Network) -> DataSet:
    data = context.data(network)
    if data.multilabel:
        raise PlanError(
            f"{data.name} has several labels an image, so that no answer is right or wrong",
            expected="data with one class an image, or images without labels",
            instead=f"suture explain {step.model} IMAGE --target {data.classes[0]}",
        )
    return data.with_validation(context.seed) if step.split == "val" else data


def _named(step: ExplainStep, context: Context, network: Network) -> DataSet:
    """The image files as data without labels; all are read once, so that a broken one is told before anything else."""
    files = []
    for path in dict.fromkeys(file for text in step.images for file in image_files(text)):
        try:
            FileImages([path], network.decode_size).batch([0])
        except DataError as error:
            if not context.recipe.skip_bad:
                raise
            context.watch.say(f"left out: {error.given}")
            continue
        files.append(path)
    if not files:
        raise DataError("none of the images can be read", expected="whole image files", instead="other files")
    images = FileImages(files, network.decode_size)
    split = Split(images, torch.zeros(len(files), dtype=torch.long), tuple(map(str, files)))
    told = f"{len(files)} image file{'s' if len(files) > 1 else ''}"
    return DataSet(told, network.classes or (), split, None)


def _class(text: str, classes: tuple[str, ...]) -> int:
    """The number of a class by its name, or by its number."""
    if text in classes:
        return classes.index(text)
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    raise DataError(
        f"there is no class {text!r}",
        expected=f"a name, or a number from 0 to {len(classes) - 1}",
        instead=f"--target {nearest(text, classes, 1)[0]!r}",
    )


def _chosen(labels: Tensor, right: Tensor, count: int, seed: int) -> list[int]:
    """Up to ``count`` right and ``count`` wrong ones by chance, the classes in turn; of each kind in order of class."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator).tolist()
    found: list[int] = []
    for wanted in (True, False):
        turns = torch.randperm(int(labels.max()) + 1, generator=generator).tolist()
        members: dict[int, list[int]] = {turn: [] for turn in turns}
        for index in order:
            if bool(right[index]) is wanted:
                members[int(labels[index])].append(index)
        ranked = sorted((rank, turns.index(label), i) for label, of in members.items() for rank, i in enumerate(of))
        some = [index for _, _, index in ranked[:count]]
        found += sorted(some, key=lambda index: (int(labels[index]), index))
    return found


def _origins(fusion: Fusion) -> dict[str, str]:
    return {name: part.origin for name, part in zip(fusion.pretrained, fusion.plan.parts, strict=True)}


def _labels(network: Network, found: Explanation) -> dict[str, str]:
    """Layers by what pictures call their branch: in a fusion the network that it comes from."""
    origins = _origins(network.body) if isinstance(network.body, Fusion) else {}
    short = [origins.get(branch, branch).partition("@")[0].rpartition(":")[2] for branch in found.branches]
    names = short if len(set(short)) == len(short) else list(found.branches)
    return dict(zip(names, found.branches.values(), strict=True))


def _pictures(lines: list[dict[str, Any]], images: Tensor, found: Explanation, labels: dict[str, str]) -> list[Shown]:
    short = min(found.size)
    factor = min(max(short, SMALLEST), LARGEST) / short
    size = (round(found.size[0] * factor), round(found.size[1] * factor))
    large = F.interpolate(images, size, mode="bicubic", antialias=True).clamp(0, 1).permute(0, 2, 3, 1).double()
    scaled, combined = found.scaled(size), found.combined(size)
    shown = []
    for k, line in enumerate(lines):
        maps = {label: scaled[name][k].double().numpy() for label, name in labels.items()}
        if len(maps) > 1:
            maps["combined"] = combined[k].double().numpy()
        told = {key: line[key] for key in ("answer", "confidence", "target", "truth")}
        shown.append(Shown(large[k].numpy(), maps, **told))
    return shown


def _plain(name: str) -> str:
    """A name that any file system takes."""
    stem = Path(name).with_suffix("").as_posix() if "." in name else name
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in stem)[-60:].strip("-")


def _save(path: Path, found: Explanation) -> None:
    """The maps (n, h, w) as computed, by branch."""
    arrays: dict[str, Any] = {branch: found.maps[name].numpy() for branch, name in found.branches.items()}
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)
