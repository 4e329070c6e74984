"""The chain samplers under one way of calling them, and samplers that are wrong in a known way.

All run 64 chains. A kernel that is wrong is a class of its own, as programs are compiled once
for each class.
"""

import warnings
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

import bnnpost
from bnnpost.samplers import chain_run, hamiltonian, hmc, moves
from bnnpost.samplers.chain_draws import ConvergenceWarning
from tests.samplers import cases

QUIET = {"cross_check": False}
SIZE = {"num_samples": 64, "num_warmup": 200, "num_chains": 64, "thinning": 4}

# By name: the module, and what its `sample` is given besides.
OPTIONS = {
    "pcn": (bnnpost.pcn, {}),
    "elliptical slice": (bnnpost.elliptical_slice, {}),
    "rotation": (hmc, {"space": "functions", "method": "hmc", "num_steps": 1}),
    "three rotations": (hmc, {"space": "functions", "method": "hmc", "num_steps": 3}),
    "leapfrog": (hmc, {"space": "functions", "method": "hmc", "integrator": "leapfrog"}),
    "nuts": (hmc, {"space": "functions"}),
    "hmc of weights": (hmc, {"method": "hmc"}),
    "nuts of weights": (hmc, {}),
}
KERNELS = {
    "pcn": moves.CrankNicolson,
    "elliptical slice": moves.EllipticalSlice,
    "rotation": moves.Rotation,
    "hmc of weights": hamiltonian.Hamiltonian,
}


def sample(name, posterior, seed=0, size=SIZE, **options):
    """Chains of a sampler, whatever their convergence."""
    module, usual = OPTIONS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return module.sample(cases.key(seed), posterior, **size, **{**QUIET, **usual, **options})


def by_kernel(kind, name, posterior, **options):
    """The same with a kernel of another class, that has the same numbers."""
    finished = chain_run.finished

    def replaced(kernel, *arguments):
        return finished(kind(**vars(kernel)), *arguments)

    with mock.patch.object(chain_run, "finished", replaced):
        return sample(name, posterior, **options)


def accepting_all(name, posterior, **options):
    """Whatever is proposed is accepted."""
    kind = type("AcceptingAll", (KERNELS[name],), {})
    with (
        mock.patch.object(moves, "exponential", lambda key: jnp.asarray(1e9, jnp.float64)),
        # What numpyro accepts by.
        mock.patch.object(jax.random, "bernoulli", lambda key, p: jnp.ones_like(p, bool)),
    ):
        return by_kernel(kind, name, posterior, **options)


def reusing_keys(name, posterior, **options):
    """Every transition of every chain has the same key."""

    def step(self, key, state, number):
        del key
        return KERNELS[name].step(self, cases.key(1), state, number)

    return by_kernel(
        type("ReusingKeys", (KERNELS[name],), {"step": step}), name, posterior, **options
    )


def counting_twice(name, posterior, **options):
    """Every datum counts twice."""
    return sample(name, cases.with_noise(posterior, np.sqrt(0.5)), **options)


def stuck(posterior, **options):
    """Turns so large that all energy is lost, from prior draws."""
    size = {**SIZE, "num_warmup": 0}
    return sample("rotation", posterior, size=size, num_steps=30, step_size=1.5, **options)
