"""How the limit's loss falls with the size of the data set, and what its kernel predicts.

Bahri, Dyer, Kaplan, Lee and Sharma (2021, arXiv 2102.06701): where the loss is limited by how
finely data resolve the target, it falls as D^−α with the α of the kernel's eigenvalues, i^−(1+α);
where it is limited by the variance of a fixed number of features, much smaller than D, as 1/D.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.arguments import positive_integer, whole_number
from bnnpost.comparison.differences import check_num_blocks
from bnnpost.kernels import nngp
from bnnpost.networks.build import at_width
from bnnpost.networks.layers import Layer, Serial
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.spaces.limit import require_one_gaussian_process
from bnnpost.spaces.network_parts import split_gaussian_readout
from bnnpost.studies.finite_subsets import FiniteLosses, finite_losses
from bnnpost.studies.losses import require_predictive
from bnnpost.studies.power_laws import DataLaw, fitted_law, half_width, measured_law
from bnnpost.studies.subset_losses import Pool
from bnnpost.summaries import Described
from bnnpost.summaries.summary import Section, ShownColumn, ShownTable, Summary
from bnnpost.summaries.values import Number, Span, Text, counted
from bnnpost.theories.kernel_spectrum import KernelSpectrum, kernel_spectrum

if TYPE_CHECKING:
    import xarray as xr

# Halves of the pool, from whose scatter what the spectrum says has its errors.
_NUM_HALVES = 16
# What the end of a tail must be over its beginning.
_LEAST_SPAN = 10


class Tail(NamedTuple):
    """Eigenvalues of K/n fall as coefficient · i^−(1 + exponent), for i from first to last.

    exponent_interval: 95 % from the scatter over halves of the pool, and with it by how much the
    exponent of a part of the window (its first, middle or last half) is off at most: a spectrum is
    a power law only so far.
    """

    exponent: float
    exponent_interval: tuple[float, float]
    coefficient: float
    first: int
    last: int


@dataclass(frozen=True)
class DataScaling(Described):
    """Losses of the limit's predictive against the number of points, and what is predicted.

    losses: along `size`, nll (nats) and squared_error (units of y²), both summed over outputs and
    averaged over test points and subsets, with standard errors *_se over subsets; each subset's
    (*_by_subset) and each test point's (*_by_point); squared_error_predicted.
    measured, predicted: power laws of the squared error, and of the prediction at the same sizes
    (its interval from the scatter over halves of the pool). tail: what Bahri et al. predict from
    the eigenvalues alone; None for a fixed number of features. spectrum: of the whole pool.
    With num_proposals losses also has the exact posterior of the network itself on the same
    subsets: nll_finite, squared_error_finite and their *_difference from the limit, with the same
    errors and parts, and effective_sample_size, the least over subsets; NaN at sizes where that is
    below 100. finite: the power law of its squared error over the sizes that it has; None for
    fewer than three.
    """

    losses: "xr.Dataset"
    measured: DataLaw
    predicted: DataLaw
    tail: Tail | None
    spectrum: KernelSpectrum
    finite: DataLaw | None = None

    def describe(self) -> Summary:
        """Return losses by size, and exponents, as data, to be printed, made a page or JSON."""
        exponents = _exponents_table(
            {
                "measured": self.measured,
                "predicted": self.predicted,
                "tail": self.tail,
                "finite": self.finite,
            }
        )
        return Summary(
            title="Losses over the number of points",
            kind="Scaling over data",
            headline=Text.of(
                *(
                    "The squared error falls with the number of points D as D",
                    _power(self.measured),
                ),
                *("; the kernel’s spectrum predicts D", _power(self.predicted), "."),
            ),
            sections=(
                Section("Losses", "by-size", (_sizes_table(self.losses),), brief=True),
                Section("Exponents", "by-law", (exponents,), brief=True),
            ),
        )


def scaling_over_data(
    key: Array,
    posterior: Posterior,
    x_test: object,
    y_test: object,
    *,
    sizes: Iterable[int],
    num_subsets: int = 8,
    floor: float | None = 0.0,
    kernel: Callable[..., Array] = nngp,
    features: int | None = None,
    tail: tuple[int, int] | None = None,
    num_proposals: int = 0,
) -> DataScaling:
    """The limit's predictive loss given subsets of the data, and its power law in their size.

    The posterior's data are the pool; x_test [m, feature] and y_test [m] or [m, k] are further
    points of the same law, with as much noise. sizes: numbers of points, at most half of the pool.
    floor: the squared error that stays at any size (units of y², summed over outputs): 0 for
    targets without noise, k·noise_var for noise of that size, None to have it fitted with the
    exponent, which of noise counts what these test points have. kernel: `bnnpost.nngp` or
    `bnnpost.ntk`. features: in place of the limit, the posterior of a readout on this many frozen
    units of one prior draw of the hidden layers (`at_width`), whose loss falls as 1/D for D far
    above. tail: first and last eigenvalue of the fitted tail; by default the smallest size, and the
    largest or a quarter of the pool. num_proposals: of the exact posterior of the network at its
    own width, for each subset, as in `scaling`; none by default. From the smallest size on, as far
    as they are worth 100 draws: with 20,000 that is some ten points.

    Time and memory are those of a Gram matrix of pool and test points, in double precision, and of
    its eigenvectors: 5,000 points take a minute or two of one core. The prediction is for inputs of
    several dimensions: on a curve or a surface it is too low by tens of per cent.
    Raises TypeError for a legacy key and something that is no posterior; ValueError for noise that
    is not Gaussian of known size, a limit that is not one Gaussian process, sizes that are too few,
    the same or too large, targets that do not fit or are not finite, losses not above
    the floor, a spectrum too short for the tail, and num_proposals with features or another kernel;
    FloatingPointError for noise lost in rounding.
    """
    keys = jax.random.split(require_key(key), 6)
    kernel_key, subsets_key, halves_key, resampling_key, finite_key, finite_resampling = keys
    require_one_gaussian_process(posterior)
    numbers = _sizes(sizes, posterior.num_points)
    if positive_integer("num_subsets", num_subsets) < 2:
        raise ValueError("expected num_subsets to be at least 2, for a standard error, got 1")
    places = np.asarray(numbers, float)
    _check_finite(num_proposals, posterior, kernel, features)
    window = None if features is not None and tail is None else _window(tail, numbers, posterior)
    pool = _pool(kernel_key, posterior, x_test, y_test, _kernel(kernel, features))
    whole = kernel_spectrum(pool.within, pool.targets)
    halves = _halves(halves_key, pool)
    tail_fit = None if window is None else _tail(whole, halves, *window)
    predicted = _predicted(places, whole, halves, pool.noise_var, floor)
    subsets = _subsets(subsets_key, posterior.num_points, numbers, num_subsets)
    squared, nll = _losses(pool, subsets)
    measured = measured_law(_words(resampling_key), places, squared, floor)
    curve = whole.learning_curve(numbers, pool.noise_var)
    losses = _dataset(numbers, {"squared_error": squared, "nll": nll})
    losses = losses.assign(squared_error_predicted=("size", curve))
    if not num_proposals:
        return DataScaling(losses, measured, predicted, tail_fit, whole)
    points = posterior.checked_test_points(x_test)
    own = finite_losses(finite_key, posterior, points, pool.test_targets, subsets, num_proposals)
    law = _finite_law(finite_resampling, places, own, floor)
    losses = losses.merge(_finite_dataset(numbers, own))
    return DataScaling(losses, measured, predicted, tail_fit, whole, law)


def _words(key: Array) -> np.ndarray:
    return np.asarray(jax.random.key_data(key))


def _sizes(sizes: Iterable[int], num_points: int) -> list[int]:
    numbers = sorted(positive_integer("size", size) for size in sizes)
    if len(set(numbers)) < max(3, len(numbers)) or numbers[0] < 2:
        raise ValueError(
            f"expected sizes to be at least three different numbers from 2 on, got {numbers}"
        )
    if numbers[-1] > num_points // 2:
        raise ValueError(
            f"expected sizes of at most {num_points // 2}, half of the {num_points} points of the "
            f"pool, got {numbers[-1]}: larger subsets are hardly different; give smaller sizes, or "
            "a posterior of more points"
        )
    return numbers


def _window(
    tail: tuple[int, int] | None, numbers: list[int], posterior: Posterior
) -> tuple[int, int]:
    first, last = tail or (numbers[0], min(numbers[-1], posterior.num_points // 4))
    first, last = positive_integer("tail", first), positive_integer("tail", last)
    if last < _LEAST_SPAN * first:
        raise ValueError(
            f"expected a tail that ends at {_LEAST_SPAN} times its beginning or later, got "
            f"{first} to {last}: give sizes further apart and more points, or tail=(first, last)"
        )
    if last > posterior.num_points // 2:
        raise ValueError(
            f"the spectrum is too short: expected a tail that ends at or before eigenvalue "
            f"{posterior.num_points // 2}, half of the pool, got {last}; give more points"
        )
    return first, last


def _kernel(kernel: Callable[..., Array], features: int | None) -> Callable[..., Array]:
    if features is None:
        return kernel
    if kernel is not nngp:
        raise ValueError("expected features or a kernel, got both: features have their own kernel")
    width = positive_integer("features", features)
    return lambda network, x, *, key: _frozen(at_width(network, width), x, key)


def _frozen(network: Layer, x: Float[np.ndarray, "n *f"], key: Array) -> Float[Array, "n n"]:
    """The covariance of f given one prior draw of the hidden layers."""
    layers, readout = split_gaussian_readout(network)
    if readout is None or not layers:
        raise ValueError(
            "expected a network of hidden layers and a readout of normal weights: features are the "
            "units before it"
        )
    hidden = Serial(layers)
    parameters = hidden.init(key, x.shape[1:])
    return readout.gram(readout.rows(hidden.apply(parameters, jnp.asarray(x))))


@in_double_precision
def _pool(
    key: Array, posterior: Posterior, x_test: object, y_test: object, kernel: Callable[..., Array]
) -> Pool:
    points = posterior.checked_test_points(x_test)
    targets = posterior.checked_test_targets(y_test, len(points))
    x = np.concatenate([posterior.x, points])
    gram, n = np.asarray(kernel(posterior.network, x, key=key)), posterior.num_points
    noise_var = posterior.likelihood.known_var()
    variance = np.diagonal(gram)[n:]
    return Pool(gram[:n, :n], gram[:n, n:], variance, posterior.targets, targets, noise_var)


def _halves(key: Array, pool: Pool) -> list[KernelSpectrum]:
    rng, n = np.random.default_rng(_words(key)), len(pool.targets)
    chosen = [np.sort(rng.permutation(n)[: n // 2]) for _ in range(_NUM_HALVES)]
    return [kernel_spectrum(pool.within[np.ix_(h, h)], pool.targets[h]) for h in chosen]


def _tail(whole: KernelSpectrum, halves: list[KernelSpectrum], first: int, last: int) -> Tail:
    exponent, coefficient = whole.exponent(first, last)
    bends = [whole.exponent(*part)[0] - exponent for part in _parts(first, last)]
    # Halves scatter about the whole as the whole does about the truth (Shao and Wu 1989).
    scatter = np.std([half.exponent(first, last)[0] for half in halves], ddof=1)
    half = float(np.hypot(half_width(scatter, len(halves) - 1), np.max(np.abs(bends))))
    return Tail(exponent, (exponent - half, exponent + half), coefficient, first, last)


def _parts(first: int, last: int) -> list[tuple[int, int]]:
    """The first, the middle and the last half of a window, in the logarithm."""
    ends = np.geomspace(first, last, 5).round().astype(int).tolist()
    return list(zip(ends, ends[2:], strict=False))


def _predicted(
    places: Float[np.ndarray, " d"],
    whole: KernelSpectrum,
    halves: list[KernelSpectrum],
    noise_var: float,
    floor: float | None,
) -> DataLaw:
    def law(spectrum: KernelSpectrum) -> tuple[float, float, float]:
        curve = spectrum.learning_curve(places.astype(int).tolist(), noise_var)
        return fitted_law(places, curve, floor)

    exponent, coefficient, found = law(whole)
    scatter = np.std([law(half)[0] for half in halves], ddof=1)
    half = half_width(scatter, len(halves) - 1)
    return DataLaw(exponent, (exponent - half, exponent + half), coefficient, found)


def _subsets(
    key: Array, num_points: int, sizes: list[int], num_subsets: int
) -> list[list[Int[np.ndarray, " d"]]]:
    """Rows of the pool by size and subset; a subset's larger sizes contain the smaller."""
    rng = np.random.default_rng(_words(key))
    orders = [rng.permutation(num_points) for _ in range(num_subsets)]
    return [[order[:size] for order in orders] for size in sizes]


def _losses(
    pool: Pool, subsets: list[list[Int[np.ndarray, " d"]]]
) -> tuple[Float[np.ndarray, "d r m"], Float[np.ndarray, "d r m"]]:
    """Squared errors and negative log densities."""
    found = [[pool.losses(rows) for rows in of_size] for of_size in subsets]
    squared, nll = (
        np.array([[getattr(one, name) for one in row] for row in found])
        for name in ("squared_error", "nll")
    )
    return squared, nll


def _check_finite(
    num_proposals: int, posterior: Posterior, kernel: Callable[..., Array], features: int | None
) -> None:
    if whole_number("num_proposals", num_proposals) == 0:
        return
    if features is not None or kernel is not nngp:
        raise ValueError(
            "expected num_proposals without features and with the kernel bnnpost.nngp: they are of "
            "the posterior of the network itself, which has that limit"
        )
    check_num_blocks("num_proposals", num_proposals)
    require_predictive(posterior)


def _finite_law(
    key: Array, places: Float[np.ndarray, " d"], own: FiniteLosses, floor: float | None
) -> DataLaw | None:
    there = np.isfinite(own.squared_error).all(axis=(1, 2))
    if there.sum() < 3:
        return None
    return measured_law(_words(key), places[there], own.squared_error[there], floor)


def _finite_dataset(numbers: list[int], own: FiniteLosses) -> "xr.Dataset":
    named = {
        name if name.endswith("_difference") else f"{name}_finite": values
        for name, values in own._asdict().items()
        if name != "worth"
    }
    found = _dataset(numbers, named)
    return found.assign(effective_sample_size=("size", own.worth.min(axis=1)))


def _sizes_table(losses: "xr.Dataset") -> ShownTable:
    columns = [
        ShownColumn("size", "points"),
        ShownColumn("squared_error_predicted", "predicted"),
        ShownColumn("squared_error", "squared error"),
        ShownColumn("nll", "nll, nats"),
    ]
    if "squared_error_finite" in losses:
        columns.append(ShownColumn("squared_error_finite", "squared error, finite"))
    rows = tuple(
        {
            "size": counted(size),
            "squared_error_predicted": _four(losses.sel(size=size)["squared_error_predicted"]),
            **{
                column.key: _with_error(losses.sel(size=size), column.key) for column in columns[2:]
            },
        }
        for size in losses["size"].values.tolist()
    )
    caption = "Losses, with standard errors over subsets; the squared error as it is predicted"
    return ShownTable("sizes", caption, tuple(columns), rows, printed=len(rows))


def _four(value: object) -> Number:
    return Number(float(np.asarray(value)), digits=4, form="places")


def _with_error(at: "xr.Dataset", name: str) -> Number:
    return Number(float(at[name]), float(at[f"{name}_se"]), digits=4, form="places")


def _exponents_table(laws: "Mapping[str, DataLaw | Tail | None]") -> ShownTable:
    columns = (ShownColumn("law", "power law", words=True), ShownColumn("exponent", "exponent"))
    rows = tuple(
        {"law": name, "exponent": _exponent(law)} for name, law in laws.items() if law is not None
    )
    return ShownTable("exponents", "Exponents of the loss, with 95 % intervals", columns, rows)


def _exponent(law: "DataLaw | Tail") -> Number:
    low, high = law.exponent_interval
    return Number(law.exponent, digits=3, form="places", low=low, high=high)


def _power(law: "DataLaw") -> Span:
    return Span(str(Number(-law.exponent, digits=2, form="places")), "power")


def _dataset(sizes: list[int], losses: dict[str, Float[np.ndarray, "d r m"]]) -> "xr.Dataset":
    import xarray as xr

    found = xr.Dataset(coords={"size": sizes})
    for name, values in losses.items():
        by_subset = values.mean(axis=2)
        error = by_subset.std(axis=1, ddof=1) / np.sqrt(by_subset.shape[1])
        found[name] = ("size", by_subset.mean(axis=1))
        found[f"{name}_se"] = ("size", error)
        found[f"{name}_by_subset"] = (("size", "subset"), by_subset)
        found[f"{name}_by_point"] = (("size", "point"), values.mean(axis=1))
    return found
