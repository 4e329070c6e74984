"""BlackJAX's samplers beside bnnpost's on one posterior: effective draws a core-second, with f.

BlackJAX's move all weights (`posterior.flat`, as anyone would have it) or, so that samplers are
compared and not coordinates alone, the standard normals of bnnpost's own chains, the readout
integrated out: those behind the functions, or the hidden weights. Core-seconds are those after
warmup or tuning, of compiled programs, and those of f at five test inputs. Effective draws are
those of samplers.py: of one f a state and, where the readout is integrated out, of many. How far
means and standard deviations are off is as there: MCLMC accepts every step and so has an error that
more draws do not mend.

    python benchmarks/rivals.py [points width …]      # default 10 256; 50 64 256
"""

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array
from samplers import (
    CHAINS_ALONE,
    KEY,
    NOISE_STD,
    NUM_READOUTS,
    NUM_TEST,
    Exact,
    chained,
    effective,
    errors,
    exact,
    rejected,
    rotations,
    row,
    timed,
)

import bnnpost
from bnnpost.draws import Draws, arviz_view
from bnnpost.samplers.chains import CrankNicolson, EllipticalSlice, Rotation
from bnnpost.samplers.chains.run import ChainsPlan

PROBLEMS = ((10, 256), (50, 64), (50, 256))
NUM_CHAINS, NUM_DRAWS = 4, 500
# What is asked of the record of chains.
CHAINS: Any = SimpleNamespace(kind="chain", num_chains=NUM_CHAINS)
# Steps for a draw that is kept, of samplers with cheap ones; by the number of points.
THINNING = {10: 3, 50: 12}
Step = Callable[[Array, Any], tuple[Any, Any]]


@dataclass(frozen=True)
class Density:
    """A log density on vectors, relative to standard normals' `log_weight`, and f of draws.

    values: f [draw, readout, point] of so many readouts; readouts: how many at most.
    """

    name: str
    x64: bool
    log_density: Callable[[Array], Array]
    log_weight: Callable[[Array], Array]
    start: Callable[[Array], Array]
    values: Callable[[np.ndarray, int], np.ndarray]
    readouts: int


@dataclass(frozen=True)
class Found:
    """Draws as vectors, and the core-seconds that they took."""

    density: Density
    vectors: np.ndarray
    seconds: float

    def line(self, name: str, truth: Exact) -> tuple[tuple[float, float], str]:
        """Effective draws a core-second, of one f a state and of many, and a line of the table."""
        found = [self._of(readouts, truth) for readouts in (1, self.density.readouts)]
        (once, size, of_f, r_hat, off), (many, *_) = found
        return (once, many), (
            f"BlackJAX {name:<17} {self.density.name:<15} {size:>7.0f} {self.seconds:>8.2f} "
            f"{of_f:>6.2f} {once:>9.1f} {many:>9.1f} {r_hat:>6.3f} {off}"
        )

    def _of(self, readouts: int, truth: Exact) -> tuple[float, float, float, float, str]:
        """Effective draws a core-second, effective draws, seconds of f, R-hat and errors."""
        values, seconds = timed(partial(self.density.values, self.vectors, readouts))
        size = effective(values, np.zeros(len(values)), CHAINS)
        diagnosed = arviz_view.diagnostics(values[:, 0, :, None], NUM_CHAINS)
        off = errors(values, np.zeros(len(values)), truth, size)
        rate = size / (self.seconds + seconds)
        return rate, size, seconds, float(diagnosed["r_hat"].max()), off


def all_weights(posterior: bnnpost.Posterior, x_test: np.ndarray) -> Density:
    flat = posterior.flat(KEY)
    points = jnp.asarray(x_test, jnp.float32)

    @jax.jit
    def values(vectors: Array) -> Array:
        return jax.vmap(lambda v: posterior.network.apply(flat.unravel(v), points))(vectors)

    return Density(
        "all weights",
        False,
        flat.log_density,
        lambda v: posterior.log_likelihood(flat.unravel(v)),
        lambda key: posterior.flat(key).start,
        lambda vectors, readouts: np.asarray(values(vectors))[:, None, :, 0],
        1,
    )


def normals(posterior: bnnpost.Posterior, x_test: np.ndarray, space: str) -> Density:
    """The density that bnnpost's own chains move, as a function of one vector."""
    size = {"num_samples": 1, "num_warmup": 0, "num_chains": 1}
    chains = ChainsPlan.make(KEY, posterior, Rotation(), **size, space=space, collapse=True)
    target = chains.target

    def vector(key: Array) -> tuple[Array, Callable[[Array], Any]]:
        """Of a prior draw, and how it is unravelled: in double, as BlackJAX's own normals are."""
        return ravel_pytree(jax.tree.map(lambda a: a.astype(jnp.float64), target.prior(key)))

    with jax.enable_x64(True):
        unravel = vector(KEY)[1]

    def values(vectors: np.ndarray, readouts: int) -> np.ndarray:
        with jax.enable_x64(True):
            given = jax.tree.map(np.asarray, jax.vmap(lambda v: target.given(unravel(v)))(vectors))
        count = np.arange(len(vectors), dtype=np.uint64)
        zeros = np.zeros(len(vectors))
        draws = Draws(chains.space, KEY, count, zeros, chains.no_draws(), given)
        return draws.redraw_readouts(x_test, readouts)[..., 0]

    return Density(
        {"functions": "functions", "weights": "hidden weights"}[space],
        True,
        lambda v: target.log_density(unravel(v)),
        lambda v: target.log_weight(target.given(unravel(v))),
        lambda key: vector(key)[0],
        values,
        NUM_READOUTS,
    )


def nuts(density: Density, key: Array, start: Array) -> tuple[Any, Any]:
    """A state after warmup, and what was adapted."""
    adaptation = blackjax.window_adaptation(blackjax.nuts, density.log_density)
    (state, found), _ = adaptation.run(key, start, 500)
    return state, found


def nuts_step(density: Density, found: Any) -> Step:
    step: Step = blackjax.nuts(density.log_density, **found).step
    return step


def mclmc(density: Density, key: Array, start: Array) -> tuple[Any, Any]:
    start_key, tune_key = jax.random.split(key)
    state = blackjax.mcmc.mclmc.init(start, density.log_density, start_key)
    state, found, _ = blackjax.mclmc_find_L_and_step_size(
        blackjax.mcmc.mclmc.build_kernel(),
        5000,
        state,
        tune_key,
        logdensity_fn=density.log_density,
    )
    return state, found


def mclmc_step(density: Density, found: Any) -> Step:
    step: Step = blackjax.mclmc(
        density.log_density,
        L=found.L,
        step_size=found.step_size,
        inverse_mass_matrix=found.inverse_mass_matrix,
    ).step
    return step


def slice_step(density: Density, found: Any) -> Step:
    size = found.shape[0]
    step: Step = blackjax.elliptical_slice(
        density.log_weight, mean=jnp.zeros(size), cov=jnp.ones(size)
    ).step
    return step


def slicing(density: Density, key: Array, start: Array) -> tuple[Any, Any]:
    sampler = blackjax.elliptical_slice(
        density.log_weight, mean=jnp.zeros(len(start)), cov=jnp.ones(len(start))
    )
    keys = jax.random.split(key, 3000)
    state = jax.lax.scan(lambda s, k: (sampler.step(k, s)[0], None), sampler.init(start), keys)[0]
    return state, start


def run(
    density: Density, begin: Callable[..., Any], stepping: Callable[..., Step], thinning: int
) -> Found:
    with jax.enable_x64(density.x64):
        begun = [
            jax.jit(partial(begin, density))(
                jax.random.key(1 + i), density.start(jax.random.key(i))
            )
            for i in range(NUM_CHAINS)
        ]

        def keep(state: Any, found: Any, key: Array) -> Array:
            step = stepping(density, found)

            def several(state: Any, key: Array) -> tuple[Any, Array]:
                keys = jax.random.split(key, thinning)
                state = jax.lax.scan(lambda s, k: (step(k, s)[0], None), state, keys)[0]
                return state, state.position

            return jax.lax.scan(several, state, jax.random.split(key, NUM_DRAWS))[1]

        compiled = jax.jit(keep).lower(*begun[0], KEY).compile()
        started = time.process_time()
        kept = [np.asarray(compiled(*one, jax.random.key(9 + i))) for i, one in enumerate(begun)]
        seconds = time.process_time() - started
    return Found(density, np.concatenate(kept), seconds)


def theirs(num_points: int, density: Density) -> Iterator[tuple[str, Callable[[], Any]]]:
    thinning = THINNING.get(num_points, 3)
    yield "elliptical slice", partial(run, density, slicing, slice_step, thinning)
    yield "NUTS", partial(run, density, nuts, nuts_step, 1)
    yield "MCLMC", partial(run, density, mclmc, mclmc_step, thinning)


def compare(num_points: int, width: int) -> None:
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(num_points, NUM_TEST)
    likelihood = bnnpost.likelihoods.Gaussian(NOISE_STD)
    posterior = bnnpost.Posterior(bnnpost.mlp(width=width), likelihood, x, y)
    print(f"\ndiabetes({num_points}, {NUM_TEST}), width {width}, noise variance 0.1")
    densities = [all_weights(posterior, x_test)]
    densities += [normals(posterior, x_test, space) for space in ("functions", "weights")]
    truth, best = exact(posterior, x_test), (0.0, 0.0)
    for density in densities:
        for name, sample in theirs(num_points, density):
            rates, line = sample().line(name, truth)
            best = max(best[0], rates[0]), max(best[1], rates[1])
            print(line, flush=True)
    usual = {"num_samples": 1000, "num_warmup": 500, "num_chains": 4}
    thinned = {**usual, "num_warmup": 1000, "thinning": THINNING.get(num_points, 3)}
    own = {
        **(
            {"rejection, capped": partial(rejected, "capped", 100_000)}
            if num_points < CHAINS_ALONE
            else {}
        ),
        "elliptical slice": partial(chained, EllipticalSlice(), thinned),
        "pCN": partial(chained, CrankNicolson(), thinned),
        "HMC, rotations": partial(chained, Rotation(), usual),
        "HMC, hidden weights": partial(chained, rotations(num_points), usual, space="weights"),
    }
    for name, draw in own.items():
        rates, line = row(name, draw(posterior), x_test, truth)
        ahead = f"{rates[0] / best[0]:.1f} and {rates[1] / best[1]:.1f} times BlackJAX's best"
        print(line, ahead, flush=True)


def main() -> None:
    numbers = [int(text) for text in sys.argv[1:]]
    warnings.simplefilter("ignore")
    for num_points, width in [(numbers[0], width) for width in numbers[1:]] or PROBLEMS:
        compare(num_points, width)


if __name__ == "__main__":
    main()
