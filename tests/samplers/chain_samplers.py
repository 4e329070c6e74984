"""The chain samplers under one way of calling them, and samplers that are wrong in a known way.

All run 64 chains. A kernel that is wrong is a class of its own, as programs are compiled once
for each class.
"""

import contextlib
import warnings
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

import bnnpost
from bnnpost.samplers.chains import (
    ConvergenceWarning,
    CrankNicolson,
    EllipticalSlice,
    Hamiltonian,
    Rotation,
)
from bnnpost.samplers.kernels import crank_nicolson, rotation, slices
from tests.samplers import cases

QUIET = {"cross_check": False}
SIZE = {"num_samples": 64, "num_warmup": 200, "num_chains": 64, "thinning": 4}

# By name: the module, and what its `sample` is given besides.
HMC = bnnpost.hmc
OPTIONS = {
    "pcn": (bnnpost.pcn, {}),
    "elliptical slice": (bnnpost.elliptical_slice, {}),
    "rotation": (HMC, {"space": "functions", "method": "hmc", "num_steps": 1}),
    "three rotations": (HMC, {"space": "functions", "method": "hmc", "num_steps": 3}),
    "leapfrog": (HMC, {"space": "functions", "method": "hmc", "integrator": "leapfrog"}),
    "nuts": (HMC, {"space": "functions"}),
    "hmc of weights": (HMC, {"method": "hmc"}),
    "nuts of weights": (HMC, {}),
}
# By name: a class of kernels, and its settings.
KERNELS = {
    "pcn": (CrankNicolson, {}),
    "elliptical slice": (EllipticalSlice, {}),
    "rotation": (Rotation, {"num_steps": 1}),
    "hmc of weights": (Hamiltonian, {"name": "hmc"}),
}


def sample(name, posterior, seed=0, size=SIZE, **options):
    """Chains of a sampler, whatever their convergence."""
    module, usual = OPTIONS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return module.sample(cases.key(seed), posterior, **size, **{**QUIET, **usual, **options})


def by_kernel(name, posterior, changes, seed=0, size=SIZE, **settings):
    """The same by a class of its own, of which some methods are others."""
    kind, usual = KERNELS[name]
    kernel = type("Wrong", (kind,), changes)(**{**usual, **settings})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return bnnpost.chains.sample(cases.key(seed), posterior, kernel, **size, **QUIET)


def accepting_all(name, posterior, **options):
    """Whatever is proposed is accepted."""
    with contextlib.ExitStack() as stack:
        for module in (crank_nicolson, rotation, slices):
            patch = mock.patch.object(module, "exponential", lambda key: jnp.float64(1e9))
            stack.enter_context(patch)
        # What numpyro accepts by.
        patch = mock.patch.object(jax.random, "bernoulli", lambda key, p: jnp.ones_like(p, bool))
        stack.enter_context(patch)
        return by_kernel(name, posterior, {}, **options)


def reusing_keys(name, posterior, **options):
    """Every transition of every chain has the same key."""

    def step(self, key, state, target, adapting):
        del key
        return KERNELS[name][0].step(self, cases.key(1), state, target, adapting)

    return by_kernel(name, posterior, {"step": step}, **options)


def counting_twice(name, posterior, **options):
    """Every datum counts twice."""
    return sample(name, cases.with_noise(posterior, np.sqrt(0.5)), **options)


def stuck(posterior, **options):
    """Turns so large that all energy is lost, from prior draws."""
    size = {**SIZE, "num_warmup": 0}
    return sample("rotation", posterior, size=size, num_steps=30, step_size=1.5, **options)
