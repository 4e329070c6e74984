"""Wrong samplers of posteriors that numpy knows in closed form, and how wrong each is."""

import functools
import json
import math

import numpy as np
import xarray as xr

NUM_TRAIN, NUM_TEST, NUM_FEATURES = 5, 4, 16
W_STD, NOISE_STD = 2.0, 0.5
NUM_DRAWS, NUM_REFERENCE = 2_000, 10_000
_RNG = np.random.default_rng(3)
INPUTS = _RNG.normal(size=(NUM_TRAIN + NUM_TEST, NUM_FEATURES))
TARGETS = INPUTS[:NUM_TRAIN] @ _RNG.normal(size=NUM_FEATURES) * W_STD / 4 + 0.5
PRIOR = W_STD**2 / NUM_FEATURES * INPUTS @ INPUTS.T
NAMES = [f"f[{i}]" for i in range(NUM_TEST)] + [f"f_train[{i}]" for i in range(NUM_TRAIN)]
_NETWORK = [{"type": "Dense", "width": 1, "W_std": W_STD, "b_std": 0.0}]


def moments(noise_std=NOISE_STD, prior=PRIOR):
    """Mean and covariance of f at the test and then at the training inputs, given the data."""
    train = prior[:NUM_TRAIN, :NUM_TRAIN] + noise_std**2 * np.eye(NUM_TRAIN)
    gain = np.linalg.solve(train, prior[:NUM_TRAIN]).T
    order = np.r_[NUM_TRAIN : NUM_TRAIN + NUM_TEST, :NUM_TRAIN]
    covariance = (prior - gain @ prior[:NUM_TRAIN])[np.ix_(order, order)]
    return (gain @ TARGETS)[order], covariance


def gaussian(rng, count, mean, covariance):
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    return mean + rng.normal(size=(count, len(mean))) @ root.T


def exact(rng, count=NUM_DRAWS, **wrong):
    return gaussian(rng, count, *moments(**wrong))


@functools.cache
def reference():
    """Draws of the posterior as a file of the zoo has them, with what they are of."""
    return as_reference(exact(np.random.default_rng(0), NUM_REFERENCE))


def as_reference(draws, network=_NETWORK):
    values = split(draws)
    return xr.Dataset(
        {
            "f": (("sample", "point", "output"), values["f"]),
            "f_train": (("sample", "train_point", "output"), values["f_train"]),
            "x_test": (("point", "feature"), INPUTS[NUM_TRAIN:]),
            "x_train": (("train_point", "feature"), INPUTS[:NUM_TRAIN]),
            "y": (("train_point", "target"), TARGETS[:, None]),
        },
        attrs={
            "kind": "exact",
            "network": json.dumps(network),
            "likelihood": json.dumps({"type": "Gaussian", "noise_std": NOISE_STD}),
        },
    )


def split(draws):
    """Function values as `verify` takes them."""
    return {"f": draws[:, :NUM_TEST, None], "f_train": draws[:, NUM_TEST:, None]}


MEAN, COVARIANCE = moments()
STD = np.sqrt(np.diag(COVARIANCE))


def scaled(rng, factor, places=slice(None)):
    draws = exact(rng)
    draws[:, places] = MEAN[places] + factor * (draws[:, places] - MEAN[places])
    return draws


def moved(rng, by):
    return exact(rng) + by


def independent(rng):
    return MEAN + STD * rng.normal(size=(NUM_DRAWS, len(MEAN)))


# Two modes at ±1.2, with a std of 0.25 to 0.4, in every value.
_CENTRE = np.linspace(1.0, 1.4, len(MEAN))
_WIDTHS = np.linspace(0.25, 0.4, len(MEAN))
UPPER = 0.4


def two_modes(rng, count=NUM_DRAWS, upper=UPPER):
    signs = np.where(rng.random(count) < upper, 1.0, -1.0)[:, None]
    return signs * _CENTRE + _WIDTHS * rng.normal(size=(count, len(MEAN)))


def modes_moments(upper=UPPER):
    mean = (2 * upper - 1) * _CENTRE
    covariance = np.outer(_CENTRE, _CENTRE) * (1 - (2 * upper - 1) ** 2) + np.diag(_WIDTHS**2)
    return mean, covariance


def laplace(rng, count):
    """A scale mixture of Gaussians: marginals are Laplace, of excess kurtosis 3."""
    draws = gaussian(rng, count, np.zeros(len(MEAN)), COVARIANCE)
    return MEAN + np.sqrt(rng.exponential(size=(count, 1))) * draws


def laplace_outside(share):
    """The part of a Gaussian of the same std outside the central part of a Laplace law."""
    beyond = -math.log(share) / math.sqrt(2)  # in stds: P(|x| > b t) = exp(−t), std b √2
    return math.erfc(beyond / math.sqrt(2))
