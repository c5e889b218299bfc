"""LeNet-5 with ReLU and max pooling, for RGB images of 32x32.

LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", section II.B; every filter sees all
channels, and the last layer is a plain linear one.
"""

from torch import nn


class LeNet(nn.Sequential):
    """(N, 3, 32, 32) to (N, num_classes).

    Layers conv1 relu1 pool1 conv2 relu2 pool2 flatten fc1 relu3 fc2 relu4 fc3.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(120, 84)
        self.relu4 = nn.ReLU()
        self.fc3 = nn.Linear(84, num_classes)
