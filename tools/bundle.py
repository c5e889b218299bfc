"""Put a network that ``suture train`` made into the package, with its provenance.

    python tools/bundle.py RUN_FOLDER NAME npz:cifar10.npz

Writes NAME.safetensors and NAME.json to src/suture/sources/zoo/weights. The data are given again, so that their digest
can be taken and the accuracy measured once more before anything is written.
"""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

import suture
from suture.data.load import load_data
from suture.recipes.read import read_recipe
from suture.sources import digest

TARGET = Path(__file__).parents[1] / "src" / "suture" / "sources" / "zoo" / "weights"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def main(run: Path, name: str, data: str) -> None:
    recipe = read_recipe(run / "recipe.yaml")
    (step,) = recipe.steps
    record = json.loads((run / "record.json").read_text())
    result = json.loads((run / "result.json").read_text())
    state = load_file(run / "weights.safetensors")
    scored = suture.evaluate(suture.load(f"{step.model}@{run}/weights.safetensors"), data)
    assert abs(scored.accuracy - result["accuracy"]) < 1e-9, (scored.accuracy, result["accuracy"])
    provenance = {
        "network": step.model,
        "command": command(step, recipe.seed),
        "stage": step.stage.model_dump(mode="json"),
        "seed": recipe.seed,
        "data": "CIFAR-10, training images 0 to 44,999",
        "data_sha256": load_data(data).digest(),
        "data_file": "x_train, y_train, x_test, y_test as one npz, without class names",
        "weights_sha256": digest(state),
        "accuracy": scored.accuracy,
        "cross_entropy": scored.cross_entropy,
        "scored_on": "all 10,000 test images",
        "val_accuracy": result["val_accuracy"],
        "versions": record["versions"],
        "commit": json.loads((run / "environment.json").read_text())["commit"],
        "seconds": round(record["seconds"]),
        "classes": CLASSES,
        "licence": "MIT",
    }
    TARGET.mkdir(exist_ok=True)
    save_file(state, TARGET / f"{name}.safetensors", {"origin": "suture train", "licence": "MIT"})
    (TARGET / f"{name}.json").write_text(json.dumps(provenance, indent=2) + "\n")
    print(f"{name}: {scored.accuracy:.4f} on test")


def command(step: Any, seed: int) -> str:
    """The command that repeats the training, from the recipe it was run with; the data by their public name."""
    stage = step.stage
    words = ["suture", "train", step.model, "--data", "cifar10", "--seed", seed, "--epochs", stage.epochs]
    words += ["--optimizer", stage.optimizer, "--lr", stage.lr, "--weight-decay", stage.weight_decay]
    words += ["--momentum", stage.momentum, "--batch-size", stage.batch_size, "--schedule", stage.schedule]
    words += [
        "--label-smoothing",
        stage.label_smoothing,
        "--augment",
        ",".join(stage.augment),
        "--precision",
        stage.precision,
    ]
    return shlex.join(map(str, words))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
