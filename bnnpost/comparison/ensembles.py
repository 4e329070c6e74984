"""How far a trained ensemble of finite networks is from its own limit.

Each member is compared with what the limit makes of the same beginning: with R from
`EnsembleLimit.response`, c = f₀(x) + R (y − f₀(X)). Given the member's hidden layers at the
beginning, f₀ is Gaussian with their Gram matrix K̂, so that c is too, with the limit's mean and
covariance [−R I] K̂ [−R I]ᵀ. An expectation E h(f) is therefore the mean of
h(f) − h(c) + E[h(c) | hidden layers], whose terms differ from the limit by O(width^−1/2) each,
where those of h(f) would by O(1).
"""

import itertools
import warnings
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.comparison.differences import Found, Quantities, block_bounds, check_num_blocks, rms
from bnnpost.comparison.distances import GRID
from bnnpost.draws import Ensemble
from bnnpost.networks.layers import Layer, Parameters, Serial
from bnnpost.networks.linear import Linear
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.samplers import ensemble
from bnnpost.spaces.ensemble_limit import EnsembleLimit, Training
from bnnpost.spaces.network_parts import split_gaussian_readout

if TYPE_CHECKING:
    import xarray as xr

# Folded into the key for a kernel that needs one.
_KERNEL = 0x6C696D
# Of the prior variance: a standard deviation of a thousandth.
_NO_SPREAD = 1e-6
_FACTORIALS = np.array([1.0, 2.0, 6.0, 24.0])


class Limiting(NamedTuple):
    """The limiting law at the test inputs, and R."""

    mean: Float[np.ndarray, "m k"]
    covariance: Float[np.ndarray, "m m"]
    response: Float[np.ndarray, "m n"]

    @classmethod
    def of(cls, law: EnsembleLimit, points: Float[np.ndarray, "m *f"]) -> "Limiting":
        """Raises ValueError where the law has next to no spread."""
        mean, covariance = law.conditional(points)
        prior = EnsembleLimit(law.posterior, law.ridge, Training(time=0.0), law.key)
        variances = np.diagonal(covariance)
        if not np.all(variances > _NO_SPREAD * np.diagonal(prior.covariance(points))):
            raise ValueError(
                "the limit has next to no spread at some test inputs: every member goes through "
                "the data there. Leave training inputs out of x_test, or use a ridge above 0"
            )
        return cls(mean, covariance, law.response(points))


class EnsembleDifference(NamedTuple):
    """Means over members: finite − limit. hermite: of He_1 to He_4 of the standardised f.

    second: of (f − m)(f − m)ᵀ, m and std the limit's.
    """

    first: Float[np.ndarray, "m k"]
    second: Float[np.ndarray, "k m m"]
    hermite: Float[np.ndarray, "4 m k"]

    def quantities(self) -> Quantities:
        """Scalars, averaged over marginals, and what they are averages of."""
        covariance = self.second - np.einsum("ik,jk->kij", self.first, self.first)
        variance = np.diagonal(covariance, axis1=-2, axis2=-1).T
        by_point = {"tv": _tv(self.hermite), "mean_error": self.first, "variance_error": variance}
        return {
            "tv": np.mean(by_point["tv"]),
            "mean_error": rms(self.first),
            "variance_error": rms(variance),
            "covariance_error": rms(covariance),
            **{f"{name}_by_point": values for name, values in by_point.items()},
        }


def compare_ensemble(
    key: Array,
    posterior: Posterior,
    x_test: object,
    *,
    num_members: int = 1000,
    num_steps: int | None = None,
    learning_rate: float | None = None,
    ridge: float | None = None,
    precision: str = "single",
) -> "xr.Dataset":
    """How far a trained ensemble is from its own infinite-width limit at x_test.

    The ensemble is that of `ensemble.sample`, with the same arguments; the limit that of the same
    steps (`Ensemble.limit`), so that neither has to have converged (attribute `converged`). Returns
    scalars, averaged over test points and outputs, each with a jackknife standard error `*_se`,
    and the same per marginal as `*_by_point` [point, output]: mean_error, variance_error,
    covariance_error as in `compare`; tv, total variation of each marginal, where the ensemble's
    density is taken to be the limit's times a polynomial that gives it the ensemble's first
    four moments (exact to first order in 1/width, rough where the two are far apart).
    Every member is compared with what the limit makes of its own beginning, which is worth a
    number of members that grows in proportion to width.
    Raises ValueError for fewer than 200 members, a readout that is not Gaussian, and where the
    limit has next to no spread; else as `ensemble.sample` and `ensemble_limit` do.
    """
    require_key(key)
    check_num_blocks("num_members", num_members)
    points = posterior.checked_test_points(x_test)
    sizes = np.diff(block_bounds(num_members))
    kernel_key = jax.random.fold_in(key, _KERNEL)
    law: Limiting | None = None
    blocks: list[EnsembleDifference] = []
    converged = True
    for number, size in enumerate(sizes):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ensemble.TrainingWarning)
            members = ensemble.sample(
                jax.random.fold_in(key, number),
                posterior,
                num_members=int(size),
                num_steps=num_steps,
                learning_rate=learning_rate,
                ridge=ridge,
                precision=precision,
            )
        num_steps, learning_rate = members.info.num_steps, members.info.learning_rate
        law = law or Limiting.of(members.limit(key=kernel_key), points)
        blocks.append(difference(members, law, points))
        converged = converged and members.info.converged
    attributes = {
        "num_members": num_members,
        "num_steps": members.info.num_steps,
        "learning_rate": members.info.learning_rate,
        "ridge": members.info.ridge,
        "converged": int(converged),
    }
    return Found(_replicates(blocks, sizes), attributes).dataset()


def _replicates(blocks: list[EnsembleDifference], sizes: np.ndarray) -> list[EnsembleDifference]:
    """From all blocks, then from all but each."""

    def averaged(chosen: list[int]) -> EnsembleDifference:
        parts = zip(*(blocks[i] for i in chosen), strict=True)
        found = (np.average(np.stack(p), axis=0, weights=sizes[chosen]) for p in parts)
        return EnsembleDifference(*found)

    every = list(range(len(blocks)))
    left_out = itertools.combinations(every, len(every) - 1)
    return [averaged(every), *(averaged(list(chosen)) for chosen in left_out)]


@in_double_precision
def difference(
    members: Ensemble, law: Limiting, points: Float[np.ndarray, "m *f"]
) -> EnsembleDifference:
    """The members' moments at these points less those of the limiting law."""
    posterior, (mean, covariance, response) = members.posterior, law
    std = np.sqrt(np.diagonal(covariance))[:, None]
    rows = np.concatenate([posterior.x, points])
    initial, gram = (np.asarray(a) for a in _at_start(posterior.network, members.initial(), rows))
    away = np.concatenate([-response, np.eye(len(points))], axis=1)
    found = members.predict(points) - mean
    expected = response @ posterior.targets - mean + away @ initial
    spread = away @ gram @ away.T
    relative = np.diagonal(spread, axis1=1, axis2=2)[:, :, None] / std**2 - 1
    hermite = _hermite(found / std) - _hermite(expected / std)
    hermite[1] += relative
    hermite[3] += 3 * relative**2
    outer = [np.einsum("bik,bjk->kij", a, a) / len(a) for a in (found, expected)]
    second = outer[0] - outer[1] + np.mean(spread, axis=0) - covariance
    return EnsembleDifference(np.mean(found - expected, axis=0), second, np.mean(hermite, axis=1))


def _at_start(
    network: Layer, stacked: Parameters, rows: Float[np.ndarray, "r *f"]
) -> tuple[Array, Array]:
    """Outputs [member, row, output] and the readout's Gram matrices [member, row, row]."""
    hidden, readout = split_gaussian_readout(network)
    if readout is None:
        raise ValueError(
            "expected a network that ends in a Dense layer with Gaussian weights: the limit of "
            "another is no Gaussian process, or its beginning no help"
        )
    return _of_each(hidden, readout, stacked, jnp.asarray(rows))


@jax.jit
def _of_each(
    hidden: tuple[Layer, ...], readout: Linear, stacked: Parameters, rows: Array
) -> tuple[Array, Array]:
    def one(parameters: Parameters) -> tuple[Array, Array]:
        *before, last = parameters
        features = Serial(hidden).apply(tuple(before), rows) if hidden else rows
        return readout.outputs(last, features), readout.given(last).gram(features)

    return jax.vmap(one)(stacked)


def _hermite(z: Float[np.ndarray, "b m k"]) -> Float[np.ndarray, "4 b m k"]:
    return np.stack([z, z**2 - 1, z**3 - 3 * z, z**4 - 6 * z**2 + 3])


def _tv(hermite: Float[np.ndarray, "4 m k"]) -> Float[np.ndarray, "m k"]:
    """½ ∫ φ |Σ_j E He_j / j! He_j|: of a Gram–Charlier series from the normal law."""
    polynomials = _hermite(GRID) / _FACTORIALS[:, None]
    ratio = np.tensordot(hermite, polynomials, axes=(0, 0))
    density = np.exp(-0.5 * GRID**2) / np.sqrt(2 * np.pi)
    return 0.5 * np.trapezoid(np.abs(ratio) * density, GRID, axis=-1)
