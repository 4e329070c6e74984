"""The first-order theory against measurement: intercepts of N·(finite − limit) over widths.

diabetes(5, 5), depth 1, 2 and 3, erf, ReLU and tanh. At each width `compare` measures the
differences over all proposals; a + b/N is fitted to N times them (N² times KL) and a compared
with the theory's coefficients. An activation and a depth as arguments run one row.
"""

import sys
import time
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import eval_hermitenorm, gammaln

import bnnpost
from bnnpost.comparison.compare import by_limit
from bnnpost.comparison.differences import Difference
from bnnpost.networks.covariance import root
from bnnpost.networks.nonlinearities import Nonlinearity
from bnnpost.numerics.quadrature import expect_square, normal_nodes
from bnnpost.samplers.importance import weighted_space

KEY = jax.random.key(20)
WIDTHS = np.array([64, 128, 256, 512, 1024, 2048])
# At each width, by depth: for standard errors below 5 % of a vector's norm.
NUM_PROPOSALS = {1: 30_000, 2: 80_000, 3: 140_000}
NUM_UNITS = 2**17
POWERS = {"mean": 1, "covariance": 1, "log evidence": 1, "TV": 1, "KL": 2}
TOLERANCE = 0.01  # of a posterior std: the width for it is checked by sampling

_NODES, _WEIGHTS = normal_nodes(0.25)
_DEGREES = np.arange(1, 80, 2)
_HERMITE = _WEIGHTS[:, None] * np.stack(
    [eval_hermitenorm(k, _NODES) * np.exp(-0.5 * gammaln(k + 1)) for k in _DEGREES], axis=1
)


class TanhSeries(Nonlinearity):
    """tanh with its kernel as a Hermite series, fast enough for control variates.

    E φ(u)φ(v) = Σ_k a_k(s₁) a_k(s₂) ρᵏ, a_k(s) = E tanh(sz) He_k(z)/√k!, over odd k.
    """

    by_limit: bool = eqx.field(static=True, default=True)

    def __call__(self, x):
        return jnp.tanh(x)

    def product_moment(self, k):
        left, right = (
            jnp.tanh(root(v)[:, None] * _NODES) @ _HERMITE for v in (k.variances1, k.variances2)
        )
        rho = k.correlation()
        total, power = jnp.zeros_like(rho), rho
        for i in range(len(_DEGREES)):
            total, power = total + left[:, i, None] * right[None, :, i] * power, power * rho**2
        return total

    def second_moment(self, variances):
        return expect_square(jnp.tanh, root(variances), 0.25)


class Measured(NamedTuple):
    """Entries of one quantity and their covariance."""

    value: np.ndarray
    covariance: np.ndarray


def posterior(activation: object, depth: int, width: int) -> bnnpost.Posterior:
    x, y, _, _ = bnnpost.datasets.diabetes_problem(5, 5)
    network = bnnpost.mlp(width=width, depth=depth, activation=activation)
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(np.sqrt(0.1)), x, y)


def entries(found: Difference) -> dict[str, np.ndarray]:
    rows, columns = np.tril_indices(found.covariance.shape[-1])
    return {
        "mean": found.mean.ravel(),
        "covariance": found.covariance[:, rows, columns].ravel(),
        "log evidence": np.atleast_1d(found.log_evidence),
        "TV": found.distances.tv.ravel(),
        "KL": found.distances.kl.ravel(),
    }


def measured(
    key, post: bnnpost.Posterior, x_test: np.ndarray, num_proposals: int
) -> dict[str, Measured]:
    """What `compare` computes, with covariances between the entries."""
    found = by_limit(key, weighted_space(post, "auto", "single"), x_test, num_proposals)
    whole, *without = [entries(one) for one in found.replicates]
    count, results = len(without), {}
    for name, value in whole.items():
        rows = np.stack([one[name] for one in without])
        away = rows - rows.mean(axis=0)
        value = count * value - (count - 1) * rows.mean(axis=0)
        results[name] = Measured(value, (count - 1) / count * away.T @ away)
    return results


def intercept(found: list[Measured], power: int, degree: int) -> tuple[np.ndarray, ...]:
    """Coefficients of a polynomial in 1/N fitted to N^power·value, and a's covariance."""
    rise = WIDTHS.astype(float) ** power
    errors = np.array([np.sqrt(np.trace(one.covariance)) for one in found]) * rise
    design = np.stack([1.0 / WIDTHS**i for i in range(degree + 1)], axis=1) / errors[:, None]
    solve = np.linalg.pinv(design) / errors
    values = np.stack([one.value for one in found]) * rise[:, None]
    shares = (solve[0] * rise) ** 2
    covariance = np.einsum("w,wij->ij", shares, np.stack([one.covariance for one in found]))
    return solve @ values, covariance


def theory_entries(found) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    names = {"mean": "mean_error", "covariance": "covariance", "TV": "tv", "KL": "kl"}
    rows, columns = np.tril_indices(found.covariance.shape[-1])
    result = {}
    for name, own in names.items():
        pair = [found.coefficients[f"{own}_by_point{end}"].values for end in ("", "_se")]
        if name == "covariance":
            pair = [a[:, rows, columns] for a in pair]
        result[name] = tuple(a.ravel() for a in pair)
    own = "log_evidence_error"
    pair = (found.coefficients[own + end].values for end in ("", "_se"))
    result["log evidence"] = tuple(np.atleast_1d(a) for a in pair)
    return result


def row(activation: str, depth: int, x_test: np.ndarray) -> None:
    start = time.perf_counter()
    predicted = bnnpost.theory(posterior(activation, depth, 64), x_test, num_units=NUM_UNITS)
    seconds = time.perf_counter() - start
    own = bnnpost.Activation(TanhSeries()) if activation == "tanh" else activation
    num_proposals = NUM_PROPOSALS[depth]
    found = [
        measured(
            jax.random.fold_in(KEY, width), posterior(own, depth, int(width)), x_test, num_proposals
        )
        for width in WIDTHS
    ]
    print(
        f"{activation}, depth {depth}: theory in {seconds:.1f} s, "
        f"all in {time.perf_counter() - start:.0f} s"
    )
    for name, (value, error) in theory_entries(predicted).items():
        for degree in (1, 2):
            each = [one[name] for one in found]
            fit, covariance = intercept(each, POWERS[name], degree)
            errors = np.sqrt(np.diagonal(covariance))
            scores = (fit[0] - value) / np.hypot(errors, error)
            size = np.linalg.norm(value)
            away = np.linalg.norm(fit[0] - value)
            both = np.sqrt(np.sum(errors**2 + error**2))
            print(
                f"  {name:<12} {'a+b/N' if degree == 1 else 'a+b/N+c/N²':<11} "
                f"theory {_shown(value)} ± {np.linalg.norm(error) / size:.1%}, "
                f"measured {_shown(fit[0])} ± {np.linalg.norm(errors) / size:.1%} of the norm; "
                f"largest |z| {np.max(np.abs(scores)):.1f}, ‖difference‖/‖s.e.‖ {away / both:.1f}, "
                f"‖b‖/‖a‖ {np.linalg.norm(fit[1]) / size:.0f}",
                flush=True,
            )


def _shown(values: np.ndarray) -> str:
    if len(values) > 5:
        return f"norm {np.linalg.norm(values):.3f}"
    return "[" + " ".join(f"{value:.3f}" for value in values) + "]"


def width_within(x_test: np.ndarray) -> None:
    """The width from which the mean is within a tolerance, and what it is there."""
    predicted = bnnpost.theory(posterior("erf", 2, 64), x_test, num_units=NUM_UNITS)
    width = predicted.width_within(TOLERANCE)
    found = measured(KEY, posterior("erf", 2, width), x_test, NUM_PROPOSALS[2])["mean"]
    std = np.sqrt(predicted.limit_variance)
    size, error = np.abs(found.value) / std, np.sqrt(np.diagonal(found.covariance)) / std
    worst = np.argmax(np.abs(predicted.mean[:, 0]) / std)
    print(
        f"erf, depth 2: {predicted.statement(TOLERANCE)}; sampled at that width, the test point "
        f"farthest off is {100 * size[worst]:.2f} ± {100 * error[worst]:.2f} % of a std off"
    )


def main() -> None:
    _, _, x_test, _ = bnnpost.datasets.diabetes_problem(5, 5)
    print(
        f"{jax.devices()[0].device_kind}; proposals a width by depth {NUM_PROPOSALS}; "
        f"widths {WIDTHS}"
    )
    if sys.argv[1:]:
        row(sys.argv[1], int(sys.argv[2]), x_test)
        return
    for activation in ("erf", "relu", "tanh"):
        for depth in (1, 2, 3):
            row(activation, depth, x_test)
    width_within(x_test)


if __name__ == "__main__":
    main()
