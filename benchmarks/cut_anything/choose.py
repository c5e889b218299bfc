"""Write models.txt: every classifier of torchvision, and timm by a rule that knows nothing of the results.

Of each of timm's model files the three smallest networks, and one more for every ten it defines, taken evenly by
name from those of at most 30 million parameters. None above 300 million.
"""

from pathlib import Path

import timm
import torch
from torchvision import models

MOST, SMALL = 300_000_000, 30_000_000


def size(name: str) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in timm.create_model(name).parameters())


def chosen(file: str) -> list[str]:
    sized = sorted((size(name), name) for name in timm.list_models(module=file))
    smallest = [name for count, name in sized[:3] if count <= MOST]
    others = sorted(name for count, name in sized if count <= SMALL and name not in smallest)
    more = min(len(sized) // 10, len(others))
    return smallest + [others[k * len(others) // more] for k in range(more)]


def main() -> None:
    lines = [f"# torchvision and timm {timm.__version__}, chosen by choose.py"]
    lines += [f"torchvision:{name}" for name in models.list_models(module=models)]
    lines += [f"timm:{name}" for file in sorted(timm.list_modules()) for name in chosen(file)]
    (Path(__file__).parent / "models.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
