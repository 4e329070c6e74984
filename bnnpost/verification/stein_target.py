"""The posterior as a density on the weights of `network.init`, and draws of these in rows."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from bnnpost.arguments import shown
from bnnpost.draws import Draws
from bnnpost.networks.activation import Activation
from bnnpost.networks.layers import Parameters, parts_of
from bnnpost.networks.linear import Linear
from bnnpost.numerics.precision import in_double_precision
from bnnpost.posterior import Posterior
from bnnpost.spaces import engine
from bnnpost.spaces.space import Space

# Draws whose gradients are computed at once.
_AT_ONCE = 64
# An activation is looked at in steps of 0.005, and jumps where it is so far from its tangent.
_GRID, _JUMP = np.linspace(-10.0, 10.0, 4001), 0.1


def check_smooth_and_normal(posterior: Posterior) -> None:
    """Raise ValueError unless all parameters are standard normal and no activation jumps."""
    for layer in parts_of(posterior.network, Linear):
        if not layer.gaussian or layer.random_scales:
            raise ValueError(
                f"expected weights and biases that are all normal, with scales that are numbers, "
                f"got a {type(layer).__name__} with a prior of another law or a random scale: the "
                "density of others is not known here. bnnpost.calibrate takes any prior"
            )
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


def rows_of_draws(draws: Draws) -> tuple[Float[np.ndarray, "chain draw d"], bool]:
    """Parameters of each draw in a row, and whether the draws are independent.

    Raises ValueError for no draws, and for draws that repeat each other or have weights.
    """
    if not len(draws):
        raise ValueError("there are no draws: expected at least some to look at")
    if draws.info.kind == "resampled" or np.ptp(draws.log_weights) > 0:
        raise ValueError(
            f"expected equally weighted draws, got {draws.info.kind} ones whose weights differ or "
            "were made into repeats: a discrepancy of these would be that of other draws"
        )
    blocks = engine.evaluate(
        _flat, draws.space, draws.key, draws.proposal_numbers, given=draws.given
    )
    rows = np.concatenate([np.asarray(block, np.float64) for block in blocks])
    return rows.reshape(draws.info.num_chains or 1, -1, rows.shape[1]), draws.info.kind != "chain"


def _flat(space: Space, draw: Array) -> Array:
    return ravel_pytree(space.parameters(draw))[0]


def rows_of_arrays(candidate: object, posterior: Posterior) -> Float[np.ndarray, "chain draw d"]:
    """Parameters as `network.init` returns them, each array with axes [draw] or [chain, draw].

    Raises ValueError for any other structure or shapes, naming the first that does not fit.
    """
    features = posterior.x.shape[1:]
    like = jax.eval_shape(lambda: posterior.network.init(jax.random.key(0), features))
    expected: Any = jax.tree.structure(like)
    found: Any = jax.tree.structure(candidate)
    if found != expected:
        raise ValueError(
            "expected bnnpost.Draws, or parameters as network.init returns them, stacked over "
            f"draws: a tree {shown(expected)}, got {shown(found)}"
        )
    arrays = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(candidate)]
    shapes = [leaf.shape for leaf in jax.tree.leaves(like)]
    axes = arrays[0].shape[: arrays[0].ndim - len(shapes[0])]
    for array, shape in zip(arrays, shapes, strict=True):
        if len(axes) not in (1, 2) or array.shape != (*axes, *shape):
            raise ValueError(
                f"expected arrays [draw, …] or [chain, draw, …] of parameters, one of shape "
                f"{shape} for each draw, got {array.shape}"
            )
    chains = axes if len(axes) == 2 else (1, *axes)
    return np.concatenate([array.reshape(*chains, -1) for array in arrays], axis=2)


def check_finite(rows: Float[np.ndarray, "chain draw d"]) -> None:
    """Raise ValueError for parameters that are NaN or infinite."""
    bad = int(np.count_nonzero(~np.isfinite(rows)))
    if bad:
        raise ValueError(f"{bad:,} of {rows.size:,} parameters are NaN or infinite")


@in_double_precision
def densities_and_scores(
    posterior: Posterior, rows: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n d"]]:
    """The log density of each row, in nats and without constants, and its gradient.

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
    features = posterior.x.shape[1:]
    like = jax.eval_shape(lambda: posterior.network.init(jax.random.key(0), features))
    _, as_parameters = ravel_pytree(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), like))
    density = jax.value_and_grad(lambda row: _log_density(posterior, as_parameters(row)))
    return jax.lax.map(density, rows, batch_size=_AT_ONCE)  # type: ignore[no-any-return]


def _log_density(posterior: Posterior, parameters: Parameters) -> Float[Array, ""]:
    """log prior + log likelihood at standard normal parameters, in nats, without constants."""
    outputs = posterior.network.apply(parameters, jnp.asarray(posterior.x))
    log_likelihood = posterior.likelihood.log_prob(outputs, jnp.asarray(posterior.targets))
    return log_likelihood - 0.5 * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(parameters))
