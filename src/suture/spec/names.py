"""The names of everything that is registered, so that ``--help`` and ``ls`` need no torch.

A test holds each tuple against the registry it stands for.
"""

ADAPTERS = ("linear", "mlp", "conv3x3", "lowrank", "identity")
STARTS = ("least-squares", "random", "eye")
SOURCES = ("zoo", "torchvision", "timm", "python", "run")
ZOO = ("tiny10", "resnet20")
BUNDLED = ("tiny10-a", "tiny10-b", "resnet20-a", "resnet20-b")
DATA = ("sample", "cifar10", "folder", "npz")
OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "one-cycle", "cosine")
NORMS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
