"""The names of ImageNet's classes."""

from torchvision.models import ResNet18_Weights


def class_names(count: int, published: int) -> tuple[str, ...] | None:
    """The 1000 names of ImageNet-1k, in their order, for weights of ``count`` classes.

    ``published`` is the number of classes of the architecture's own weights. A weight file does not say what its
    classes are: one of 1000, where the published weights also have 1000, is taken to know ImageNet's, as it is taken
    to want their preprocessing. None for any other number.
    """
    names = ResNet18_Weights.DEFAULT.meta["categories"]
    return tuple(names) if count == published == len(names) else None
