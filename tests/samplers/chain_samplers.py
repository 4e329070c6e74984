"""The chain samplers under one way of calling them, and samplers that are wrong in a known way.

All run 64 chains. A kernel that is wrong is a class of its own, as programs are compiled once
for each class.
"""

import warnings
from unittest import mock

import jax.numpy as jnp
import numpy as np

from bnnpost.samplers import chain_run, chains, elliptical_slice, moves, pcn
from bnnpost.samplers.chain_draws import ConvergenceWarning
from bnnpost.samplers.chains import Length
from tests.samplers import cases

SIZE = {"num_samples": 64, "num_warmup": 200, "num_chains": 64, "thinning": 4}


def kernel(kind, space, num_steps=1, step_size=np.nan, num_warmup=SIZE["num_warmup"]):
    """A kernel of this class on a space."""
    numbers = {"space": space, "num_warmup": np.int64(num_warmup)}
    if not issubclass(kind, moves.EllipticalSlice):
        target = 0.8 if issubclass(kind, moves.Rotation) else 0.3
        numbers |= {"step_size": np.float64(step_size), "target": np.float64(target)}
    if issubclass(kind, moves.Rotation):
        numbers["num_steps"] = np.int64(num_steps)
    return kind(**numbers)


def by_kernel(kind, posterior, seed=0, space="functions", collapse=True, size=SIZE, **numbers):
    """Chains of a kernel class, whatever its convergence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return chain_run.sampled(
            cases.key(seed),
            posterior,
            lambda made: kernel(kind, made, num_warmup=size["num_warmup"], **numbers),
            Length(**size),
            space=space,
            collapse=collapse,
            precision="single",
            chain_method="auto",
            progress=False,
        )


def by_pcn(posterior, seed=0, **options):
    return pcn.sample(cases.key(seed), posterior, **SIZE, **options)


def by_slices(posterior, seed=0, **options):
    return elliptical_slice.sample(cases.key(seed), posterior, **SIZE, **options)


def by_one_turn(posterior, seed=0, **options):
    return by_kernel(moves.Rotation, posterior, seed, **options)


def by_three_turns(posterior, seed=0, **options):
    return by_kernel(moves.Rotation, posterior, seed, num_steps=3, **options)


SAMPLERS = {
    "pcn": by_pcn,
    "elliptical_slice": by_slices,
    "rotation": by_one_turn,
    "three rotations": by_three_turns,
}
KERNELS = {
    "pcn": moves.CrankNicolson,
    "elliptical_slice": moves.EllipticalSlice,
    "rotation": moves.Rotation,
}


def accepting_all(name, posterior, **options):
    """Whatever is proposed is accepted."""
    kind = type("AcceptingAll", (KERNELS[name],), {"name": name})
    with mock.patch.object(moves, "exponential", lambda key: jnp.asarray(jnp.inf, jnp.float64)):
        return by_kernel(kind, posterior, **options)


def reusing_keys(name, posterior, **options):
    """Every transition of a chain has the same key."""
    kind = type("ReusingKeys", (KERNELS[name],), {"name": name})
    with mock.patch.object(chains, "fold_number", lambda key, number: key):
        return by_kernel(kind, posterior, **options)


def counting_twice(name, posterior, **options):
    """Every datum counts twice."""
    return SAMPLERS[name](cases.with_noise(posterior, np.sqrt(0.5)), **options)


def stuck(posterior, **options):
    """Turns of a size that loses all energy, from prior draws."""
    size = {**SIZE, "num_warmup": 0}
    return by_kernel(moves.Rotation, posterior, size=size, num_steps=30, step_size=1.5, **options)
