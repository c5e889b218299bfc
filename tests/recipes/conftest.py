from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image


@pytest.fixture
def blank_figures(monkeypatch) -> None:
    """Figures are made and not rendered, which takes longer than small networks train.

    The runs that the tests of a module share come before this and have theirs rendered.
    """

    def blank(_figure: Figure, path: Path, **_options: object) -> None:
        Image.new("L", (1, 1)).save(path, "PNG")

    monkeypatch.setattr(Figure, "savefig", blank)
