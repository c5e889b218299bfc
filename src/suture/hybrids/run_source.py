"""``run:FOLDER``: the network that a finished run left behind."""

import json
from pathlib import Path

from suture.errors import SourceError, nearest
from suture.graph import Network
from suture.hybrids import store
from suture.hybrids.heads import new_head
from suture.hybrids.parent import Parent
from suture.sources import load, load_weights, read_weights, register
from suture.sources.registry import Request

RUNS = Path("runs")


@register("run")
def load_run(request: Request) -> Network:
    """A trained network (``network.json``) or a hybrid (``hybrid.json``), with the weights beside it.

    ``run:NAME``, as results spell it, is ``run:runs/NAME`` where there is no folder NAME.
    """
    folder = Path(request.source.name)
    if not folder.exists() and (RUNS / folder).is_dir():
        folder = RUNS / folder
    if (folder / "network.json").is_file():
        if request.source.override.map:
            raise SourceError(
                f"{folder} is the run of a single network, which has no map",
                expected="the run folder of suture stitch",
                instead=f"run:{folder}",
            )
        told = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        classes = len(told["classes"])
        network = load(told["source"], trust_code=request.trust_code, num_classes=classes, blank=True)
        if told["new_head"]:
            new_head(network, classes)
        load_weights(network, read_weights(folder / store.WEIGHTS), str(request.source))
        network.classes = tuple(told["classes"])
        network.origin = request.source.origin
        return network
    if (folder / store.DESCRIPTION).is_file():
        told = store.description(folder)
        if not told["sources"]:
            raise SourceError(
                f"{folder} does not say where the hybrid's parents come from",
                expected="a hybrid that was made from source strings",
                instead="suture.load_hybrid(folder, a, b) with all parents",
            )
        parents = [
            Parent(load(text, trust_code=request.trust_code, blank=told["full"], seed=told["seed"]))
            for text in told["sources"]
        ]
        hybrid = store.load(folder, parents, request.source.override.map or "after")
        return store.as_network(hybrid, request.source.origin)
    finished = (path.parent for path in folder.parent.glob("*/result.json"))
    names = [run.name for run in finished if any((run / own).is_file() for own in ("network.json", store.DESCRIPTION))]
    raise SourceError(
        f"{folder} is no finished run with a network in it",
        expected="the finished folder of suture train, stitch, search, fuse, patch or tune",
        instead=" or ".join(f"run:{folder.parent / name}" for name in nearest(folder.name, names))
        or "run:runs/NAME, as suture printed it",
    )
