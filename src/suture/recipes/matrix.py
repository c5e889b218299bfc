"""A labelled matrix of similarities, for programs and notebooks."""

import base64
import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suture.errors import UsageError
from suture.measures import Similarity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SimilarityMatrix(Similarity):
    """What ``suture.compare`` gives: see ``Similarity`` for its fields. A notebook shows it as a heatmap."""

    @classmethod
    def of(cls, found: Similarity) -> "SimilarityMatrix":
        return cls(**{one.name: getattr(found, one.name) for one in fields(Similarity)})

    def plot(self, path: str | Path | None = None, ax: "Axes | None" = None) -> "Figure":
        """The heatmap, in ``ax`` where one is given, written to ``path`` (.png, .svg or .pdf) where that is.

        A and B run from the input on, upward and to the right; the best match of each layer of A is framed. Raises
        UsageError for a path that ends otherwise, or of a folder that is not there.
        """
        from suture.reporting.figures import PICTURES, write_figure
        from suture.reporting.similarity_figure import similarity_figure

        if path is not None and Path(path).suffix.lower() not in PICTURES:
            raise UsageError(
                f"{path} does not say what kind of picture it is",
                expected=f"a path that ends with {', '.join(PICTURES)}",
                instead=f'plot("{Path(path).with_suffix(".png")}")',
            )
        if path is not None and not Path(path).parent.is_dir():
            raise UsageError(
                f"there is no folder {Path(path).parent} for {Path(path).name}",
                expected="a path in a folder that is there",
                instead=f'plot("{Path(path).name}"), or make the folder first',
            )
        figure = similarity_figure(self._told(), ax)
        if path is not None:
            write_figure(figure, Path(path))
        return figure

    def _told(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def _repr_html_(self) -> str:
        buffer = io.BytesIO()
        self.plot().savefig(buffer, format="png")
        return f'<img alt="{self.measure}" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
