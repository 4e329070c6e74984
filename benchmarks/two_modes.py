"""Two targets that disagree at one input: the share of each mode, by every sampler.

Student-t noise with two contradicting targets, six erf units. Plain numpy (prior draws accepted
by their likelihood) is what the others are held against: capped rejection led by all fits, the
same led by the first fit alone, and chains.

    python benchmarks/two_modes.py
"""

import dataclasses
import warnings

import jax
import numpy as np
import scipy.special
import scipy.stats

import bnnpost
from bnnpost.numerics.weights import WeightSum, normalised
from bnnpost.spaces import engine, make_space
from bnnpost.spaces.cells import CellMixture
from bnnpost.spaces.completions import AS_FUNCTION

X, Y, X_TEST = np.array([[1.0, 0.5]] * 2), np.array([2.0, -1.9]), np.array([[0.2, -0.4]])
DF, NOISE_STD, WIDTH, STDS, READOUT_STD = 2.1, 0.02, 6, (1.5, 0.3), (2.5, 0.3)
NUM_PLAIN, NUM_PROPOSALS = 3_000_000, 2**17


def posterior() -> bnnpost.Posterior:
    layers = [
        bnnpost.Dense(WIDTH, w_std=STDS[0], b_std=STDS[1]),
        bnnpost.Activation("erf"),
        bnnpost.Dense(1, w_std=READOUT_STD[0], b_std=READOUT_STD[1]),
    ]
    likelihood = bnnpost.likelihoods.StudentT(df=DF, noise_std=NOISE_STD)
    return bnnpost.Posterior(bnnpost.Serial(layers), likelihood, X, Y)


def plain() -> tuple[float, float, float]:
    """P(f > 0 | y), its standard error, and the log evidence."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((NUM_PLAIN, 2, WIDTH))
    biases = rng.standard_normal((NUM_PLAIN, WIDTH))
    z = STDS[0] / np.sqrt(2) * np.einsum("i,pij->pj", X[0], weights) + STDS[1] * biases
    readout = rng.standard_normal((NUM_PLAIN, WIDTH))
    f = READOUT_STD[0] / np.sqrt(WIDTH) * np.sum(scipy.special.erf(z) * readout, axis=1)
    f = f + READOUT_STD[1] * rng.standard_normal(NUM_PLAIN)
    law = scipy.stats.t(DF, scale=NOISE_STD * np.sqrt((DF - 2) / DF))
    logs = law.logpdf(Y[0] - f) + law.logpdf(Y[1] - f)
    kept = f[np.log(rng.random(NUM_PLAIN)) < logs - logs.max()]
    share = float(np.mean(kept > 0))
    evidence = scipy.special.logsumexp(logs) - np.log(NUM_PLAIN)
    return share, float(np.sqrt(share * (1 - share) / len(kept))), float(evidence)


def led(space: object) -> str:
    """The share and the evidence by importance draws in a space."""
    numbers = np.arange(NUM_PROPOSALS, dtype=np.uint64)
    blocks = engine.evaluate(_observed, space, jax.random.key(1), numbers)
    logs, f = (np.concatenate(part) for part in zip(*blocks, strict=True))
    sums, weights = WeightSum().add(logs), normalised(logs)
    share = float(weights @ (f[:, 0, 0] > 0))
    evidence = sums.log_mean()
    return (
        f"{share:.3f}, log evidence {evidence.value:.3f} ± {evidence.standard_error:.4f}, "
        f"worth {sums.effective_sample_size() / NUM_PROPOSALS:.3f} draws a proposal"
    )


def _observed(space, key):  # type: ignore[no-untyped-def]
    return space.log_weight(key), space.outputs(key, None, AS_FUNCTION)


def main() -> None:
    share, error, evidence = plain()
    print(f"plain numpy: P(f > 0) {share:.3f} ± {error:.3f}, log evidence {evidence:.3f}")
    one = posterior()
    space = make_space(one, strict=False)
    print("led by all fits:", led(space))
    mixture = space.guide.mixture  # type: ignore[union-attr]
    first = CellMixture.single(mixture.edges, mixture.log_masses[len(mixture.log_whole)])
    guide = dataclasses.replace(space.guide, mixture=first)  # type: ignore[type-var]
    print("led by the first fit alone:", led(dataclasses.replace(space, guide=guide)))
    draws = bnnpost.rejection.sample(jax.random.key(0), one, bound="capped", num_samples=4000)
    print(draws)
    samplers = {
        "elliptical slice": bnnpost.elliptical_slice.sample,
        "pCN": bnnpost.pcn.sample,
        "NUTS in function space": lambda key, one, **more: bnnpost.hmc.sample(
            key, one, space="functions", **more
        ),
    }
    for name, sampler in samplers.items():
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            draws = sampler(jax.random.key(0), one, num_samples=2000)
        found = np.mean(draws.training_outputs()[:, 0, 0] > 0)
        doubts = sum(issubclass(w.category, UserWarning) for w in said)
        print(
            f"{name}: P(f > 0) {found:.3f}, R-hat {draws.info.chains.r_hat:.3f}, {doubts} warnings"
        )


if __name__ == "__main__":
    main()
