"""Two backbones fused, and each alone, trained alike on 2,000 images, three seeds. See README.md."""

import json
import os
import platform
from pathlib import Path

import torch
from task import arguments, folder, sources

from suture.recipes.context import Context
from suture.recipes.execute import execute
from suture.reporting.fusions import verdict
from suture.runs import Watch, versions
from suture.spec.fuse import FuseStep
from suture.spec.recipe import Recipe
from suture.spec.stage import Stage

HERE = Path(__file__).parent
ALIKE = {"optimizer": "adamw", "weight_decay": 1e-4, "batch_size": 32, "label_smoothing": 0.1}


class Lines(Watch):
    def say(self, text: str) -> None:
        print(text, flush=True)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--method", default="concat")
    parser.add_argument("--head-epochs", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--keep", default="last", help="which epoch a stage ends with: last, or best on validation")
    parser.add_argument("--monitor", default="accuracy", help="what tells the best epoch")
    parser.add_argument("--moves", default="head,backbone1", help="what the second stage moves")
    options = parser.parse_args()
    name = f"{options.method}-{options.moves.replace(',', '-')}-{options.keep}"
    kept = {"keep": options.keep, "monitor": options.monitor}
    stages = (
        Stage(moves=("head",), epochs=options.head_epochs, lr=1e-3, **ALIKE, **kept),
        Stage(
            moves=tuple(options.moves.split(",")),
            epochs=options.epochs,
            lr=1e-4,
            schedule="cosine",
            augment=("flip",),
            **ALIKE,
            **kept,
        ),
    )
    step = FuseStep(networks=sources(options), method=options.method, stages=stages, controls=True, seeds=options.seeds)
    recipe = Recipe(data=f"folder:{folder(options)}", steps=(step,))
    result = execute(Context(recipe, Lines()), options.work / name)
    told = {
        "question": "do two backbones beat each of them alone, trained alike?",
        "verdict": verdict(result),
        "networks": ["torchvision:mobilenet_v2 (ImageNet)", "timm:tf_efficientnet_lite0 (ImageNet)"],
        "size": 96,
        "stages": [stage.model_dump(mode="json", exclude_unset=True) for stage in stages],
        **{key: result[key] for key in ("method", "n", "over_seeds", "alone")},
        "trials": [{k: v for k, v in trial.items() if k != "folder"} for trial in result["trials"]],
        "val_accuracy": result["val_accuracy"],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used",
        "versions": versions(),
    }
    print(json.dumps(told, indent=2))
    place = HERE / "results" / f"{name}.json"
    place.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
