"""The posterior as a density over vectors of parameters, and draws as such vectors."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.draws import Draws
from bnnpost.networks.activation import Activation
from bnnpost.networks.coordinates import Coordinates
from bnnpost.networks.layers import parts_of
from bnnpost.numerics.precision import in_double_precision
from bnnpost.posterior import Posterior
from bnnpost.verification.parameter_values import PARAMETERS, Functions, stacked_parameters

# Draws whose gradients are computed at once.
_AT_ONCE = 64
# An activation is looked at in steps of 0.005, and jumps where it is so far from its tangent.
_GRID, _JUMP = np.linspace(-10.0, 10.0, 4001), 0.1

Rows = Float[np.ndarray, "chain draw d"]


def check_smooth(posterior: Posterior) -> None:
    """Raise ValueError where an activation jumps."""
    for activation in parts_of(posterior.network, Activation):
        if _jumps(activation):
            raise ValueError(
                f"the activation {activation.name} jumps, so that the posterior's density does "
                "too, and its gradients do not tell what it is: use bnnpost.calibrate or "
                "bnnpost.verify"
            )


@in_double_precision
def _jumps(activation: Activation) -> bool:
    grid = jnp.asarray(_GRID)
    middles, step = 0.5 * (grid[1:] + grid[:-1]), grid[1] - grid[0]
    slopes = jax.vmap(jax.grad(lambda x: activation(x[None])[0]))(middles)
    return bool(jnp.any(jnp.abs(jnp.diff(activation(grid)) - step * slopes) > _JUMP))


def rows_of_draws(draws: Draws) -> tuple[Rows, bool]:
    """The vector of each draw in a row, and whether the draws are independent.

    Raises ValueError for no draws, and for draws that repeat each other or have weights.
    """
    if not len(draws):
        raise ValueError("there are no draws: expected at least some to look at")
    if draws.info.kind == "resampled" or np.ptp(draws.log_weights) > 0:
        raise ValueError(
            f"expected equally weighted draws, got {draws.info.kind} ones whose weights differ or "
            "were made into repeats: a discrepancy of these would be that of other draws"
        )
    rows = rows_of_parameters(draws.parameters(), draws.posterior)
    chains = draws.info.num_chains or 1
    return rows.reshape(chains, -1, rows.shape[2]), draws.info.is_independent


@in_double_precision
def rows_of_parameters(candidate: object, posterior: Posterior) -> Rows:
    """Vectors of parameters in any of the forms that `verify` takes.

    Raises ValueError for parameters of another network.
    """
    functions = Functions(posterior.network, None, posterior.x)
    given = candidate[PARAMETERS] if _is_named(candidate) else candidate  # type: ignore[index]
    stacked = stacked_parameters(given, functions)
    vector = Coordinates(posterior.network, posterior.x.shape[1:]).vector
    return np.asarray(jax.vmap(jax.vmap(vector))(stacked), np.float64)


def _is_named(candidate: object) -> bool:
    return isinstance(candidate, dict) and PARAMETERS in candidate


def check_finite(rows: Rows) -> None:
    """Raise ValueError for parameters that are NaN or infinite."""
    bad = int(np.count_nonzero(~np.isfinite(rows)))
    if bad:
        raise ValueError(f"{bad:,} of {rows.size:,} parameters are NaN or infinite")


@in_double_precision
def densities_and_scores(
    posterior: Posterior, rows: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n d"]]:
    """The log density of each row, in nats, and its gradient.

    Raises FloatingPointError where one is no finite number.
    """
    found = [_values(posterior, jnp.asarray(rows[at])) for at in _blocks(len(rows))]
    logs, scores = (np.concatenate([np.asarray(one[i]) for one in found]) for i in (0, 1))
    if not (np.isfinite(logs).all() and np.isfinite(scores).all()):
        bad = int(np.count_nonzero(~np.isfinite(logs) | ~np.isfinite(scores).all(axis=1)))
        raise FloatingPointError(
            f"the log density of {bad} of {len(rows)} draws, or its gradient, is no finite number"
        )
    return logs, scores


def _blocks(count: int) -> Iterator[slice]:
    """Of at most 4,096 rows, so that few shapes are compiled."""
    for start in range(0, count, 4096):
        yield slice(start, start + 4096)


@jax.jit
def _values(posterior: Posterior, rows: Array) -> tuple[Array, Array]:
    density = jax.value_and_grad(posterior.flat(jax.random.key(0)).log_density)
    return jax.lax.map(density, rows, batch_size=_AT_ONCE)  # type: ignore[no-any-return]
