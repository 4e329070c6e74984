"""What a step in function space brings and costs as networks grow wide, at fixed settings.

On diabetes(20, 5), noise variance 0.1. First, for elliptical slice sampling and pCN: effective
draws a step, of f at the test inputs with the readout drawn afresh, and of the posterior mean given
the hidden layers, which the chain alone moves, each with a standard error over eight chains;
and the time of a step, with the exponent of its growth. Then, for HMC over a quarter turn: how
often a trajectory of so many steps is accepted, by exact rotations and by plain leapfrog.
"""

import math
import time
import warnings

import jax
import numpy as np
from jaxtyping import Float

import bnnpost
from bnnpost.draws import arviz_view

WIDTHS = (64, 256, 1024, 4096, 8192)
NUM_CHAINS, NUM_SAMPLES, NUM_WARMUP = 8, 250, 50
BETA = 0.5
STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24)
HMC_WIDTHS = (64, 1024, 4096)
ENOUGH = 0.8
KEY = jax.random.key(0)


def problem(width: int) -> tuple[bnnpost.Posterior, np.ndarray]:
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(20, 5)
    likelihood = bnnpost.likelihoods.Gaussian(0.1**0.5)
    return bnnpost.Posterior(bnnpost.mlp(width=width), likelihood, x, y), x_test


def each_chain(values: Float[np.ndarray, "s m"]) -> Float[np.ndarray, " c"]:
    """The least effective size over columns, of each chain by itself."""
    chains = values.reshape(NUM_CHAINS, NUM_SAMPLES, -1)
    return np.array(
        [float(arviz_view.diagnostics(c[:, :, None], 1)["ess_bulk"].min()) for c in chains]
    )


def moved(name: str, width: int) -> tuple[str, float]:
    """A line of the table, and seconds a step."""
    posterior, x_test = problem(width)
    common = {
        "num_chains": NUM_CHAINS,
        "num_samples": NUM_SAMPLES,
        "num_warmup": NUM_WARMUP,
        "chain_method": "sequential",
    }
    run = {
        "pCN": lambda: bnnpost.pcn.sample(KEY, posterior, step_size=BETA, **common),
        "elliptical slice": lambda: bnnpost.elliptical_slice.sample(KEY, posterior, **common),
    }[name]
    run()
    started = time.perf_counter()
    draws = run()
    seconds = (time.perf_counter() - started) / (NUM_CHAINS * (NUM_SAMPLES + NUM_WARMUP))
    sizes = [each_chain(a[..., 0]) for a in (draws.predict(x_test), draws.mixture(x_test).means)]
    cells = [
        f"{np.mean(size) / NUM_SAMPLES:>7.3f} ± "
        f"{np.std(size, ddof=1) / math.sqrt(NUM_CHAINS) / NUM_SAMPLES:.3f}"
        for size in sizes
    ]
    line = f"{name:<18} {width:>6} {cells[0]:>16} {cells[1]:>16} {1e3 * seconds:>10.3f}"
    return line, seconds


def acceptance(width: int, num_steps: int, integrator: str) -> float:
    posterior, _ = problem(width)
    draws = bnnpost.hmc.sample(
        KEY,
        posterior,
        space="functions",
        method="hmc",
        integrator=integrator,
        num_steps=num_steps,
        step_size=math.pi / 2 / num_steps,
        num_chains=2,
        num_samples=100,
        num_warmup=50,
    )
    return draws.info.acceptance_rate


def fewest(width: int, integrator: str) -> str:
    """Acceptance for each number of steps, and the first that is enough."""
    rates = {steps: acceptance(width, steps, integrator) for steps in STEPS}
    enough = [steps for steps, rate in rates.items() if rate >= ENOUGH]
    cells = " ".join(f"{rate:>6.2f}" for rate in rates.values())
    return f"{integrator:<10} {width:>6} {cells}   {enough[0] if enough else f'over {STEPS[-1]}'}"


def main() -> None:
    warnings.simplefilter("ignore")
    print(f"{jax.devices()[0].device_kind}; diabetes(20, 5), noise variance 0.1, pCN β {BETA}")
    print(f"{'':<18} {'width':>6} {'f a step':>16} {'given hidden':>16} {'ms a step':>10}")
    for name in ("elliptical slice", "pCN"):
        times = []
        for width in WIDTHS:
            line, seconds = moved(name, width)
            times.append(seconds)
            print(line, flush=True)
        slope = np.polyfit(np.log(WIDTHS[2:]), np.log(times[2:]), 1)[0]
        print(f"{name}: time a step grows as width^{slope:.2f} from {WIDTHS[2]} on")
    print(f"\nacceptance over a quarter turn; the fewest steps with {ENOUGH} or more")
    print(f"{'steps':<17} " + " ".join(f"{steps:>6}" for steps in STEPS))
    for width in HMC_WIDTHS:
        for integrator in ("rotation", "leapfrog"):
            print(fewest(width, integrator), flush=True)


if __name__ == "__main__":
    main()
