"""The named activations written out in plain numpy, with hyperparameters that break symmetry."""

import numpy as np
from scipy.special import erf, expit

# Name, hyperparameters, formula.
ACTIVATIONS = [
    ("identity", {}, lambda x: x),
    ("relu", {}, lambda x: np.maximum(x, 0)),
    ("leaky_relu", {"alpha": 0.2}, lambda x: np.where(x < 0, 0.2 * x, x)),
    ("ab_relu", {"a": -0.3, "b": 1.7}, lambda x: np.where(x < 0, -0.3 * x, 1.7 * x)),
    ("abs", {}, np.abs),
    ("erf", {"a": 0.5, "b": 0.7, "c": 0.3}, lambda x: 0.5 * erf(0.7 * x) + 0.3),
    ("gelu", {}, lambda x: x * (1 + erf(x / np.sqrt(2))) / 2),
    ("sin", {"a": 0.8, "b": 1.6, "c": 0.5}, lambda x: 0.8 * np.sin(1.6 * x + 0.5)),
    ("cos", {"a": 1.2, "b": 0.7, "c": 0.4}, lambda x: 1.2 * np.cos(0.7 * x + 0.4)),
    ("rbf", {"gamma": 0.6}, lambda x: np.sqrt(2) * np.sin(np.sqrt(1.2) * x + np.pi / 4)),
    ("exp", {"a": 0.9, "b": -0.6}, lambda x: 0.9 * np.exp(-0.6 * x)),
    ("gaussian", {"a": 0.7, "b": -0.6}, lambda x: 0.7 * np.exp(-0.6 * x**2)),
    ("sign", {}, np.sign),
    ("monomial", {"degree": 3}, lambda x: x**3),
    (
        "polynomial",
        {"coef": (0.3, -1.0, 0.5, 0.2)},
        lambda x: 0.3 - x + 0.5 * x**2 + 0.2 * x**3,
    ),
    ("tanh", {}, np.tanh),
    ("sigmoid", {}, expit),
    ("softplus", {}, lambda x: np.logaddexp(x, 0)),
]
IDS = [name for name, _, _ in ACTIVATIONS]
