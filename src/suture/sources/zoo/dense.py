"""Three fully connected hidden layers of 300, for 32x32 images."""

from torch import nn

WIDTH = 300


class Dense(nn.Sequential):
    """(N, 3, 32, 32) to (N, num_classes); layers flatten fc1 relu1 fc2 relu2 fc3 relu3 fc4."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(3 * 32 * 32, WIDTH)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(WIDTH, WIDTH)
        self.relu2 = nn.ReLU()
        self.fc3 = nn.Linear(WIDTH, WIDTH)
        self.relu3 = nn.ReLU()
        self.fc4 = nn.Linear(WIDTH, num_classes)
