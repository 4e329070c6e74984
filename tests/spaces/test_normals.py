"""The standard normals behind a draw: its log weight is a smooth function of them."""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
import pytest

import bnnpost
from bnnpost import likelihoods
from bnnpost.spaces import make_space
from bnnpost.spaces.sources import Origin

KEY = jax.random.key(3)
SCALES = {"w_std": bnnpost.per_input(dist.HalfNormal(1.5)), "bias_prior": dist.Uniform(-1.0, 1.0)}
CASES = {
    "scales of each input, own biases": (SCALES, likelihoods.Gaussian(0.3), "functions"),
    "own weights": ({"prior": dist.Laplace(0.0, 0.7)}, likelihoods.Gaussian(0.3), "functions"),
    "student-t noise": ({}, likelihoods.StudentT(df=4, noise_std=0.4), "functions"),
    "fitted sites": ({}, likelihoods.Poisson(), "weights"),
}


def space_of(name):
    priors, likelihood, form = CASES[name]
    x, y, _, _ = bnnpost.datasets.diabetes_problem(4, 1)
    counts = isinstance(likelihood, likelihoods.Poisson)
    posterior = bnnpost.Posterior(
        bnnpost.mlp(width=6, depth=1, **priors), likelihood, x, (y > 0) * 2.0 if counts else y
    )
    return make_space(posterior, space=form, precision="double", strict=False)


QUICK = ("own weights",)
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_gradients_of_the_log_weight_are_its_slopes(name):
    with jax.enable_x64(True):
        space = space_of(name)
        normals = space.normals(KEY)

        def along(step):
            moved = {
                n: g + step * jax.random.normal(jax.random.key(1), g.shape)
                for n, g in normals.items()
            }
            return space.log_weight(Origin(KEY, moved))

        values = jax.jit(jax.vmap(along))(jnp.array([-2e-4, -1e-4, 1e-4, 2e-4]))
        slope = (8 * (values[2] - values[1]) - (values[3] - values[0])) / 12e-4
        assert jax.jit(jax.grad(along))(0.0) == pytest.approx(float(slope), rel=1e-6, abs=1e-7)
