"""Random weights that neither fade nor grow on their way through ReLUs."""

from torch import nn


def he(network: nn.Module) -> None:
    """Draw all convolutions from N(0, 2 / fan-out), biases 0.

    He et al. 2015, "Delving Deep into Rectifiers" (arXiv 1502.01852), eq. 14; fully connected layers keep PyTorch's.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
