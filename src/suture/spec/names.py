"""The names of everything that is registered, so that ``--help`` and ``ls`` need no torch.

A test holds each tuple against the registry it stands for.
"""

ADAPTERS = ("linear", "mlp", "conv3x3", "lowrank", "identity")
STARTS = ("least-squares", "orthogonal", "reduced-rank", "random", "perm", "eye", "ones-zeros")
MASKS = ("identity", "semi-match", "abs-semi-match", "random-permutation", "matching")
WEIGHTINGS = ("none", "gradient", "activation")
TARGETS = ("hard", "soft-a", "soft-b", "soft-ab", "soft-a+b", "match")
FUSIONS = ("concat", "bottleneck", "add", "gated", "cross-attention", "logit-average", "maps")
PARTS = ("adapter", "encoder", "decoder", "head", "blocks", "stem", "backbone", "backbones", "all")
BLOCKS = (
    "se",
    "cbam_block",
    "eca",
    "channel_attention",
    "spatial_attention",
    "coord_attention",
    "gc",
    "simam",
    "non_local",
    "conv_bn_act",
    "mbconv",
    "bottleneck",
    "drop_path",
    "layer_scale",
    "gem",
    "lora",
)
AUGMENTATIONS = ("flip", "crop", "rotate", "affine", "erase")
SAMPLINGS = ("shuffled", "weighted", "class-balanced")
CLASS_WEIGHTS = ("none", "balanced", "effective")
LOSSES = ("cross-entropy", "focal")
TUNED = ("lr", "weight_decay", "dropout", "schedule")
TTA = ("none", "flip", "crops")
EXPLANATIONS = ("grad-cam", "saliency", "integrated-gradients", "occlusion", "guided-backprop")
PRESETS = ("hybrid-cnn", "hybrid-cnn-tuned")
TEMPLATES = ("stitch", "fuse", "patch", "hybrid", "search", "compare", "train", "sweep", "tune")
SOURCES = ("zoo", "torchvision", "timm", "python", "run")
ZOO = (
    "lenet",
    "dense",
    "tiny10",
    "nbn-tiny10",
    "resnet20",
    "resnet20-wK",
    "densenet-small",
    "mobilenet-small",
    "inception-v1",
)
BUNDLED = ("tiny10-a", "tiny10-b", "resnet20-a", "resnet20-b")
DATA = ("sample", "cifar10", "cifar100", "mnist", "fashion-mnist", "celeba", "folder", "npz")
OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "one-cycle", "cosine", "step")
NORMS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
