"""The first-order theory as a result: coefficients, predictions, and from which width on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from bnnpost.arguments import positive_integer
from bnnpost.comparison.differences import Difference, Quantities
from bnnpost.comparison.distances import GRID, Distances
from bnnpost.theories.response import Response

if TYPE_CHECKING:
    import xarray as xr

# Each quantity that falls as another power of the width than −1.
_SQUARES = ("kl", "kl_by_point")
# What `width_within` knows, and the unit of its tolerance.
UNITS = {
    "mean": "of a posterior std",
    "variance": "of the posterior variance",
    "tv": "",
    "kl": "nats",
    "log_evidence": "nats",
}
_TWO_SIDED = 1.96


class NextOrder(NamedTuple):
    """What measured differences say of the order after the first.

    value · width^power ≈ first order + coefficient/width, with its standard error. below: the
    width under which that is more than the share asked for of the first order; below_high: the
    upper end of a 95 % interval for it.
    """

    coefficient: float
    standard_error: float
    below: float
    below_high: float


@dataclass(frozen=True)
class Theory:
    """First-order differences, finite network − limit, as the hidden widths grow.

    A quantity is coefficient/N + O(1/N²), KL coefficient/N² + O(1/N³). N is the width of the
    narrowest hidden layer, the other widths growing in proportion to it.

    width: N of the network that was given; widths: its hidden layers'. limit_mean,
    limit_variance: those of f at the test inputs. coefficients: as `compare` names and
    averages them, with tv_by_point, mean_error_by_point, … [point, output] and, here,
    covariance_by_point [output, point, point_2]; each with the standard error `*_se` of
    the integration over units. log_weight_variance: N times the variance of log
    evidence given the kernel (nats²), which says how much proposals' weights vary.
    """

    width: int
    widths: tuple[int, ...]
    limit_mean: Float[np.ndarray, "m k"]
    limit_variance: Float[np.ndarray, " m"]
    coefficients: "xr.Dataset"

    @property
    def mean(self) -> Float[np.ndarray, "m k"]:
        """Coefficient of the mean of f (units of f)."""
        return np.asarray(self.coefficients["mean_error_by_point"])

    @property
    def variance(self) -> Float[np.ndarray, "m k"]:
        """Coefficient of the variance of f (units of f²)."""
        return np.asarray(self.coefficients["variance_error_by_point"])

    @property
    def covariance(self) -> Float[np.ndarray, "k m m"]:
        """Coefficient of the covariance of f at the test inputs, for each output."""
        return np.asarray(self.coefficients["covariance_by_point"])

    @property
    def log_evidence(self) -> float:
        """Coefficient of the log evidence, summed over outputs (nats)."""
        return float(self.coefficients["log_evidence_error"])

    @property
    def tv(self) -> Float[np.ndarray, "m k"]:
        """Coefficient of the total variation between marginals of f."""
        return np.asarray(self.coefficients["tv_by_point"])

    @property
    def kl(self) -> Float[np.ndarray, "m k"]:
        """Coefficient, of 1/N², of KL(finite ‖ limit) of the marginals of f (nats)."""
        return np.asarray(self.coefficients["kl_by_point"])

    def predicted(self, width: int | None = None) -> "xr.Dataset":
        """First-order differences at a width N, named as in `compare`; by default the network's.

        Raises ValueError for a width below 1.
        """
        n = self.width if width is None else positive_integer("width", width)
        names = [name for name in self.coefficients.data_vars if "log_weight" not in str(name)]
        found = self.coefficients[names]
        return found.map(lambda values: values * float(n) ** _power(str(values.name)))

    def width_within(self, tolerance: float, quantity: str = "mean") -> int:
        """The least width at which the first-order difference is within a tolerance everywhere.

        quantity, largest over test inputs and outputs: "mean", in the limit's posterior
        std of f; "variance", relative to the limit's; "tv"; "kl" (nats); or "log_evidence"
        (nats). Where the next order matters at that width (see `next_order`) it is a guess.
        Raises ValueError for another quantity or a tolerance that is not positive.
        """
        if quantity not in UNITS:
            raise ValueError(f"expected quantity to be one of {', '.join(UNITS)}, got {quantity!r}")
        if not (math.isfinite(tolerance) and tolerance > 0):
            raise ValueError(f"expected tolerance to be positive and finite, got {tolerance}")
        variance = self.limit_variance[:, None]
        size = {
            "mean": lambda: _ratio(self.mean, np.sqrt(variance)),
            "variance": lambda: _ratio(self.variance, variance),
            "tv": lambda: self.tv,
            "kl": lambda: self.kl,
            "log_evidence": lambda: np.asarray(self.log_evidence),
        }[quantity]()
        ratio = float(np.max(np.abs(size))) / tolerance
        return max(1, math.ceil(math.sqrt(ratio) if quantity == "kl" else ratio))

    def statement(self, tolerance: float = 0.01, quantity: str = "mean") -> str:
        """`width_within` in words: "mean within 1 % of a posterior std from width 340"."""
        width, unit = self.width_within(tolerance, quantity), UNITS[quantity]
        size = f"{100 * tolerance:.3g} % {unit}" if unit.startswith("of") else f"{tolerance:.3g}"
        nats = f" {unit}" if unit == "nats" else ""
        return f"{quantity.replace('_', ' ')} within {size}{nats} from width {width}"

    def next_order(
        self,
        widths: object,
        measured: Mapping[str, object],
        *,
        share: float = 0.1,
    ) -> dict[str, NextOrder]:
        """Where the order after the first matters, from differences measured at several widths.

        measured: scalars at each width, as `compare` names them, each with its `*_se` (a
        sweep's /distances, or a dict of lists). The first order is taken from the theory and
        the coefficient of the next one fitted, weighted by the errors. Theory of first order
        alone cannot know it. Leave out widths so narrow that the third order matters too.
        """
        n = np.asarray(widths, float).ravel()
        names = [name for name in ("tv", "kl", "w1", "w2", *_ERRORS) if name in measured]
        return {name: self._next_order(n, name, measured, share) for name in names}

    def _next_order(
        self, n: np.ndarray, name: str, measured: Mapping[str, object], share: float
    ) -> NextOrder:
        rise = n ** -_power(name)
        first, error = (float(self.coefficients[key]) for key in (name, f"{name}_se"))
        value, own = (np.asarray(measured[key], float) for key in (name, f"{name}_se"))
        weights = 1 / (own * rise) ** 2
        precision = np.sum(weights / n**2)
        coefficient = float(np.sum(weights / n * (value * rise - first)) / precision)
        lever = np.sum(weights / n) / precision
        standard_error = math.hypot(1 / math.sqrt(precision), error * lever)
        below, high = (
            size / (share * abs(first)) if first else math.nan
            for size in (abs(coefficient), abs(coefficient) + _TWO_SIDED * standard_error)
        )
        return NextOrder(coefficient, standard_error, below, high)


_ERRORS = ("mean_error", "variance_error", "covariance_error", "log_evidence_error")


def _power(name: str) -> float:
    return -2.0 if name.removesuffix("_se") in _SQUARES else -1.0


def _ratio(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """values/sizes, 0 where both are 0: f is then known, in network and limit."""
    sizes = np.broadcast_to(sizes, values.shape)
    return np.divide(values, sizes, out=np.zeros_like(values), where=sizes > 0)


def quantities(response: Response, limit_variance: Float[np.ndarray, " m"]) -> Quantities:
    """What `compare` measures, in coefficients, and the covariance entry by entry."""
    covariance = response.within + response.between
    mean, log_evidence = response.mean, response.log_evidence
    distances = _distances(response, covariance, limit_variance)
    return {
        **Difference(distances, mean, covariance, log_evidence).quantities(),
        "covariance_by_point": covariance,
        "log_weight_variance": response.log_weight_variance,
    }


def _distances(
    response: Response,
    covariance: Float[np.ndarray, "k m m"],
    limit_variance: Float[np.ndarray, " m"],
) -> Distances:
    """Of each marginal, whose density is p(z)(1 + (1/N) Σ_k a_k He_k(z)) to first order.

    With z standardised by the limit, and m, v the mean and variance given the kernel: a₁ and
    a₂ are the shifts of mean and variance, a₃ = Cov(m, v)/2 and a₄ = Var(v)/8, since every
    derivative of a Gaussian density by its variance is half the second by its mean. Then
    KL = ½ Σ k! a_k² and, with the CDF's change −p Σ a_k He_{k−1}, W2² = Σ (k−1)! a_k².
    """
    std = np.broadcast_to(np.sqrt(limit_variance)[:, None], response.mean.shape)
    variance = np.diagonal(covariance, axis1=1, axis2=2).T
    terms = (
        _ratio(response.mean, std),
        _ratio(variance, std**2) / 2,
        _ratio(response.skew, std**3) / 2,
        _ratio(np.broadcast_to(response.kurtosis[:, None], std.shape), std**4) / 8,
    )
    a = np.stack(terms, axis=-1)
    hermite = np.polynomial.hermite_e.hermevander(GRID, 3)
    density = np.exp(-0.5 * GRID**2) / math.sqrt(2 * math.pi)
    cdf = -density * (a @ hermite.T)
    factorials = np.array([1.0, 1.0, 2.0, 6.0, 24.0])
    return Distances(
        tv=0.5 * np.sum(np.abs(np.diff(cdf, axis=-1)), axis=-1),
        kl=0.5 * a**2 @ factorials[1:],
        w1=std * np.trapezoid(np.abs(cdf), GRID, axis=-1),
        w2=std * np.sqrt(a**2 @ factorials[:-1]),
    )
