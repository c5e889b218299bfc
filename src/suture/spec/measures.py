"""The names of measures: which there are, the numbers that may stand in them, and short forms."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from suture.errors import nearest


class NumberError(ValueError):
    """A measure whose name has a number in it that it does not take; ``usual`` is its usual name."""

    def __init__(self, reason: str, usual: str) -> None:
        super().__init__(f"{reason}, as in {usual}")
        self.usual = usual


@dataclass(frozen=True)
class Parameter:
    """A number in the name of a measure: what it usually is, and the range it lies in, without a ``low`` of 0."""

    usual: str
    meaning: str
    low: float
    high: float = float("inf")
    whole: bool = False

    def read(self, text: str) -> float:
        """The number. Raises ValueError, with what is expected."""
        kind = "a whole number" if self.whole else "a number"
        try:
            number = float(int(text) if self.whole else float(text))
        except (ValueError, OverflowError):
            raise ValueError(f"{text!r} is not {kind}, {self.meaning}") from None
        if not (self.low <= number <= self.high and 0 < number < float("inf")):
            bound = f"from {self.low:g}" if self.low else "above 0"
            bound += f" to {self.high:g}" if self.high < float("inf") else ""
            raise ValueError(f"{text} is not {kind} {bound}, {self.meaning}")
        return number

    def spell(self, number: float) -> str:
        return str(int(number)) if self.whole else repr(number).removesuffix(".0")


# In the order in which they are told.
PARAMETERS: Final[Mapping[str, Parameter | None]] = {
    "cka_linear_minibatch": None,
    "cka_linear_minibatch_bs{}": Parameter("256", "the rows of a batch", 4, whole=True),
    "cka_linear_debiased": None,
    "cka_linear_biased": None,
    "cka_rbf_t{}_biased": Parameter("1", "the bandwidth in root median squared distances", 0),
    "cka_rbf_t{}_debiased": Parameter("1", "the bandwidth in root median squared distances", 0),
    "cca_mean": None,
    "cca_r2": None,
    "svcca_{}": Parameter("0.99", "the share of the variance that is kept", 0, 1),
    "pwcca_x": None,
    "pwcca_y": None,
    "procrustes_normalised": None,
    "procrustes_size_shape": None,
    "angular_shape": None,
    "rsa_correlation_spearman": None,
    "rsa_correlation_pearson": None,
    "rsa_euclidean_spearman": None,
    "rsa_euclidean_pearson": None,
    "mutual_knn_k{}_cosine": Parameter("10", "the number of neighbours", 1, whole=True),
    "jaccard_knn_k{}_cosine": Parameter("10", "the number of neighbours", 1, whole=True),
    "linreg_r2_x_to_y": None,
    "linreg_r2_y_to_x": None,
    "distance_correlation_sq": None,
    "l2": None,
}
MEASURES: Final = tuple(form.format(known.usual if known else "") for form, known in PARAMETERS.items())
ALIASES: Final[Mapping[str, str]] = {
    "cka": "cka_linear_minibatch",
    "cka_rbf": "cka_rbf_t1_debiased",
    "cca": "cca_mean",
    "svcca": "svcca_0.99",
    "pwcca": "pwcca_x",
    "procrustes": "procrustes_normalised",
    "rsa": "rsa_correlation_spearman",
    "knn": "mutual_knn_k10_cosine",
    "linreg": "linreg_r2_x_to_y",
    "dcor": "distance_correlation_sq",
}


def parse_measure(name: str) -> tuple[str, float | None]:
    """The form of a name, as in PARAMETERS, and the number in it.

    Raises NumberError for a number that it does not take, ValueError for a name that is none.
    """
    name = ALIASES.get(name, name)
    if name in PARAMETERS and PARAMETERS[name] is None:
        return name, None
    for form, parameter in PARAMETERS.items():
        start, _, end = form.partition("{}")
        found = re.fullmatch(f"{re.escape(start)}([^_]+){re.escape(end)}", name) if parameter else None
        if parameter and found:
            try:
                return form, parameter.read(found[1])
            except ValueError as error:
                raise NumberError(str(error), form.format(parameter.usual)) from None
    close = " or ".join(nearest(name, (*ALIASES, *MEASURES), 2))
    raise ValueError(f"unknown; expected one of {', '.join((*ALIASES, *MEASURES))}; nearest: {close}")


def measure_name(name: str) -> str:
    """The full name of a measure, of a short form as well. Raises ValueError."""
    form, number = parse_measure(name)
    parameter = PARAMETERS[form]
    return form if parameter is None or number is None else form.format(parameter.spell(number))
