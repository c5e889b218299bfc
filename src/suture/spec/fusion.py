"""How the features of several backbones become one answer."""

from dataclasses import dataclass

from suture.errors import PlanError, nearest
from suture.spec.names import FUSIONS


@dataclass(frozen=True)
class FusionSpec:
    """``method`` is one of FUSIONS; ``classes`` the number of outputs.

    ``hidden`` is the width of the layer before the classes, ``width`` that to which methods that project bring every
    backbone first, ``dropout`` the chance before the last layer. Raises PlanError.
    """

    method: str
    classes: int
    hidden: int = 1024
    width: int = 512
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.method not in FUSIONS:
            raise PlanError(
                f"there is no fusion {self.method!r}",
                expected=f"one of {', '.join(FUSIONS)}",
                instead=nearest(self.method, FUSIONS, 1)[0],
            )
        for name in ("classes", "hidden", "width"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise PlanError(f"{name}={value!r}", expected="a whole number, 1 or more", instead=f"{name}=512")
        if not 0 <= self.dropout < 1:
            raise PlanError(
                f"dropout={self.dropout!r}", expected="a chance from 0 up to below 1", instead="dropout=0.5"
            )
