"""What a training of a hybrid strives for."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Target = Literal["hard", "soft-a", "soft-b", "soft-ab", "soft-a+b", "match"]
MatchAt = Literal["cut", "penultimate"]
SOFT = ("soft-a", "soft-b", "soft-ab", "soft-a+b")


class Objective(BaseModel):
    """Frozen description of a loss; all but ``hard`` need no labels.

    ``target`` is what the hybrid is to answer: the labels (``hard``), the answers of A or of B as probabilities
    (``soft-a``, ``soft-b``), both (``soft-ab``, the mean of the two losses; ``soft-a+b``, one loss to the softmax of
    their mean logits), or B's own activations (``match``), at the cut or, with ``match_at`` penultimate, at the input
    of B's last layer. ``temperature`` divides the logits of both sides of a soft target. Added to that are ``l1``
    times the mean absolute entry of the adapter's map, and ``cka_reg`` times 1 − CKA between what the adapter gives
    and B's own activations at the cut: positive pulls together, negative pushes apart.

    The published code of arXiv 2110.14633 has the same targets; it adds CKA itself, so that its positive weights push
    apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Target = "hard"
    match_at: MatchAt = "cut"
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    l1: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    cka_reg: Annotated[float, Field(allow_inf_nan=False)] = 0.0

    @property
    def teachers(self) -> tuple[str, ...]:
        """Whose logits are wanted: ``a``, ``b``."""
        return {"soft-a": ("a",), "soft-b": ("b",), "soft-ab": ("a", "b"), "soft-a+b": ("a", "b")}.get(self.target, ())

    @property
    def at_cut(self) -> bool:
        """Whether B's own activations at the cut are wanted."""
        return bool(self.cka_reg) or (self.target == "match" and self.match_at == "cut")

    @property
    def at_penultimate(self) -> bool:
        """Whether B's own penultimate features are wanted."""
        return self.target == "match" and self.match_at == "penultimate"

    @property
    def only_labels(self) -> bool:
        """Whether nothing but labels and logits is wanted."""
        return self == Objective()

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.match_at != "cut" and self.target != "match":
            raise ValueError(f"match_at {self.match_at} has no use for the target {self.target}; target: match")
        if self.temperature != 1 and self.target not in SOFT:
            raise ValueError(f"a temperature has no use for the target {self.target}; one of {', '.join(SOFT)}")
        return self
