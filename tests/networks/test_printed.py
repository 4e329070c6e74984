"""What is printed of networks, likelihoods and posteriors: values, as they would be typed."""

import jax
import numpy as np
from numpyro.distributions import HalfNormal, StudentT

import bnnpost
from bnnpost import networks as nn


def test_a_posterior_shows_its_values():
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10.0)
    of = bnnpost.Posterior(bnnpost.mlp(width=256, depth=1), bnnpost.likelihoods.Gaussian(0.3), x, y)
    text = repr(of)
    for part in (
        "Dense(width=256, w_std=1.5, b_std=0.1)",
        "Activation('erf', a=1.0, b=1.0, c=0.0)",
        "likelihood=Gaussian(noise_std=0.3)",
        "x=array of 10 × 2",
    ):
        assert part in text


def test_laws_and_what_is_within_layers_are_shown():
    hidden = nn.Dense(4, prior=StudentT(5.0), w_std=HalfNormal(1.5), b_std=0.3)
    text = repr(hidden)
    assert "df=5.0" in text and "w_std=HalfNormal(scale=1.5)" in text and "b_std=0.3" in text
    assert "per_input(HalfNormal(scale=2.0))" in repr(
        nn.Dense(3, w_std=nn.per_input(HalfNormal(2.0)))
    )
    assert "positions=PositionEncoding" in repr(
        nn.SelfAttention(8, heads=2, positions=nn.PositionEncoding("SUM", 0.5))
    )
    assert "filter_shape=[3]" in repr(nn.Residual([nn.Activation("relu"), nn.Conv(6, [3])]))


def test_a_traced_network_can_be_printed():
    seen = []

    @jax.jit
    def traced(layer):
        seen.append(repr(layer))
        return layer

    traced(nn.Dense(3, w_std=1.2))
    assert seen[0].startswith("Dense(width=3, w_std=")


def test_typed_again_it_is_the_same():
    network = bnnpost.mlp(width=8, depth=2, activation="relu", w_std=1.25, b_std=0.5)
    names = {name: getattr(nn, name) for name in ("Serial", "Dense", "Activation")}
    again = eval(repr(network), names)
    assert repr(again) == repr(network)
    assert bnnpost.to_spec(again) == bnnpost.to_spec(network)
