"""A posterior as a Stan program and its data: the same density over the same parameters.

Weights and biases are as the prior draws them, before w_std/√fan_in and b_std multiply them, as
in `hmc.model`; what is layer0.weights there is layer0_weights here. Every term of the log density
has its constants.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from bnnpost.arguments import listed
from bnnpost.likelihoods import Likelihood
from bnnpost.likelihoods.records import to_record
from bnnpost.networks import Activation, Dense
from bnnpost.networks.layers import Layer
from bnnpost.networks.linear import LinearShape, linear_layers
from bnnpost.networks.priors import Scale, WeightPrior, prior_record, scale_record
from bnnpost.posterior import Posterior

# Activations of the catalogue, with the hyperparameters that they have by default.
_ACTIVATIONS = {"erf": "erf({})", "relu": "fmax({}, 0)", "tanh": "tanh({})"}
_NORMAL: Mapping[str, Any] = {"law": "Normal", "parameters": {"loc": 0.0, "scale": 1.0}}
# The log density of a law at {}, and its parameters.
_LAWS = {
    "Gamma": "gamma_lpdf({} | {concentration}, {rate})",
    "HalfNormal": "normal_lpdf({} | 0, {scale}) + log(2)",
    "Normal": "normal_lpdf({} | {loc}, {scale})",
    "StudentT": "student_t_lpdf({} | {df}, {loc}, {scale})",
}


@dataclass(frozen=True)
class _Observation:
    """What a likelihood says: how targets y are declared, and their log density given f.

    first: the number of the first class, where targets are classes in one column.
    """

    declared: str
    log_density: str
    first: int | None = None


_REALS, _BINARY = "matrix[num_train, {k}] y;", "array[num_train, {k}] int<lower=0, upper=1> y;"
_OBSERVATIONS = {
    "Gaussian": _Observation(
        _REALS, "target += normal_lpdf(to_vector(y) | to_vector(f), {noise_std});"
    ),
    "StudentT": _Observation(
        _REALS,
        "target += student_t_lpdf(to_vector(y) | {df}, to_vector(f), "
        "{noise_std} * sqrt(({df} - 2) / {df}));",
    ),
    "Bernoulli logit": _Observation(
        _BINARY, "for (k in 1:{k}) target += bernoulli_logit_lpmf(y[, k] | f[, k]);"
    ),
    "Bernoulli probit": _Observation(
        _BINARY,
        "for (n in 1:num_train) for (k in 1:{k}) "
        "target += normal_lcdf((2 * y[n, k] - 1) * f[n, k] | 0, 1);",
    ),
    "Categorical": _Observation(
        "array[num_train] int<lower=1, upper={k}> y;",
        "for (n in 1:num_train) target += categorical_logit_lpmf(y[n] | f[n]');",
        first=1,
    ),
}


@dataclass(frozen=True)
class _Parameter:
    """A parameter: its type where it is declared, and as an argument; its log density."""

    name: str
    declared: str
    passed: str
    log_density: str


def stan_program(posterior: Posterior, title: str) -> str:
    """The program, under a line with its title.

    Data: num_train, num_test, x_train and x_test [point, feature], y. Generated quantities:
    f_train and f_test [point, output], function values without noise. Raises ValueError for what
    has no counterpart here.
    """
    layers, (observation, settings) = _layers(posterior), _observation(posterior.likelihood)
    parameters = [parameter for i, met in enumerate(layers) for parameter in _parameters(i, met)]
    num_features, num_outputs = layers[0].fan_in, posterior.num_outputs
    given = ", ".join(one.name for one in parameters)
    f = {name: f"matrix[num_{name}, {num_outputs}] f" for name in ("train", "test")}
    values = {name: f"network(x_{name}, {given});" for name in f}
    blocks = {
        "functions": _function(posterior.network.flattened(), layers, parameters),
        "data": [
            "int<lower=1> num_train;",
            "int<lower=1> num_test;",
            *(f"matrix[num_{name}, {num_features}] x_{name};" for name in f),
            observation.declared.format(k=num_outputs),
        ],
        "parameters": [f"{one.declared} {one.name};" for one in parameters],
        "model": [
            f"{f['train']} = {values['train']}",
            *(f"target += {one.log_density};" for one in parameters),
            observation.log_density.format(k=num_outputs, **settings),
        ],
        "generated quantities": [f"{f[name]}_{name} = {values[name]}" for name in f],
    }
    lines = [
        line for name, inner in blocks.items() for line in (f"{name} {{", *_deeper(inner), "}")
    ]
    note = "weights and biases are those before w_std / sqrt(fan_in) and b_std multiply them"
    return "\n".join([f"// {title}", f"// {note}", *lines, ""])


def stan_data(posterior: Posterior, x_test: Float[np.ndarray, "m d"]) -> dict[str, object]:
    """The data of the program in plain numbers: matrices by rows, class numbers from 1 on.

    Raises ValueError as `stan_program` does.
    """
    observation, y = _observation(posterior.likelihood)[0], posterior.targets
    if observation.declared != _REALS:
        y = y.astype(int)
    if observation.first is not None:
        y = y[:, 0] + observation.first
    return {
        "num_train": posterior.num_points,
        "num_test": len(x_test),
        "x_train": posterior.x.tolist(),
        "x_test": x_test.tolist(),
        "y": y.tolist(),
    }


def _layers(posterior: Posterior) -> list[LinearShape]:
    for layer in posterior.network.flattened():
        if not isinstance(layer, Dense | Activation):
            raise ValueError(_missing("layer", type(layer).__name__, ("Dense", "Activation")))
    return linear_layers(posterior.network, posterior.x.shape[1:])


def _observation(likelihood: Likelihood) -> tuple[_Observation, Mapping[str, Any]]:
    """What stands for a likelihood, and its settings."""
    record = to_record(likelihood)
    name = " ".join(value for value in record.values() if isinstance(value, str))
    if name not in _OBSERVATIONS:
        raise ValueError(_missing("likelihood", name, _OBSERVATIONS))
    return _OBSERVATIONS[name], record


def _parameters(number: int, met: LinearShape) -> Iterator[_Parameter]:
    """Those of one layer, in the order of `hmc.model`."""
    layer, name = met.layer, f"layer{number}"
    matrix, row = f"{name}_weights", f"{name}_biases"
    law = _of_prior(f"to_vector({matrix})", layer.priors.weights)
    yield _Parameter(matrix, f"matrix[{met.fan_in}, {layer.width}]", "matrix", law)
    if layer.has_bias:
        law = _of_prior(row, layer.priors.biases)
        yield _Parameter(row, f"row_vector[{layer.width}]", "row_vector", law)
    for kind, std in (("w_std", layer.w_std), ("b_std", layer.b_std)):
        if isinstance(std, Scale):
            if std.shared is not None:
                raise ValueError(_missing("scale", repr(std), ("one for each layer",)))
            scale = f"{name}_{kind}"
            yield _Parameter(scale, "real<lower=0>", "real", _of_scale(scale, std))


def _of_prior(value: str, prior: WeightPrior | None) -> str:
    return _log_density(value, _NORMAL if prior is None else prior_record(prior))


def _of_scale(value: str, scale: Scale) -> str:
    record: Any = scale_record(scale)
    if scale.of_variance or "per" in record:
        raise ValueError("there is no Stan program for laws of variances, or of each input's scale")
    return _log_density(value, record)


def _log_density(value: str, record: Mapping[str, Any]) -> str:
    """Of all entries of a value under a law."""
    law = str(record.get("law", "of fixed numbers"))
    if law not in _LAWS:
        raise ValueError(_missing("law", law, _LAWS))
    return _LAWS[law].format(value, **record["parameters"])


def _function(
    parts: tuple[Layer, ...], layers: list[LinearShape], parameters: list[_Parameter]
) -> list[str]:
    """The network as a function of inputs and parameters: [point, output]."""
    arguments = ", ".join(["matrix x", *(f"{one.passed} {one.name}" for one in parameters)])
    lines, value, number, width = [], "x", 0, 0
    for step, part in enumerate(parts):
        if isinstance(part, Dense):
            value, width = _affine(value, number, layers[number]), part.width
            number += 1
        else:
            value = _activated(value, part)
        lines.append(f"matrix[rows(x), {width}] h{step} = {value};")
        value = f"h{step}"
    return [f"matrix network({arguments}) {{", *_deeper([*lines, f"return {value};"]), "}"]


def _affine(rows: str, number: int, met: LinearShape) -> str:
    """w_std/√fan_in h W + b_std b."""
    layer, name = met.layer, f"layer{number}"
    w_std, b_std = (
        f"{name}_{kind}" if isinstance(std, Scale) else std
        for kind, std in (("w_std", layer.w_std), ("b_std", layer.b_std))
    )
    product = f"{w_std} / sqrt({met.fan_in}) * ({rows} * {name}_weights)"
    if not layer.has_bias:
        return product
    return f"{product} + rep_matrix({b_std} * {name}_biases, rows(x))"


def _activated(value: str, part: Layer) -> str:
    assert isinstance(part, Activation)
    if part.name not in _ACTIVATIONS or Activation(part.name).parameters != part.parameters:
        raise ValueError(_missing("activation", part.name, _ACTIVATIONS))
    return _ACTIVATIONS[part.name].format(value)


def _missing(kind: str, given: str, known: Any) -> str:
    return f"there is no Stan program for the {kind} {given}: expected one of {listed(list(known))}"


def _deeper(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
