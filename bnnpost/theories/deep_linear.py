"""The posterior of a deep linear network of any depth and width, exactly.

Given the hidden layers after the first, the readout's product with them is a row r of weights on
the first layer's units, and f = r h₁ is normal with covariance |r|² k₁(x, x′), because the first
layer is. |r|² is a product of independent χ² variables, one for each hidden layer, whatever the
directions (Hanin and Zlokapa 2023, PNAS 120, arXiv 2212.14457, whose Meijer G functions are this
integral; Zavatone-Veth, Tong and Pehlevan 2022). So the network's prior is a mixture of Gaussian
processes over one number, the scale S, and its posterior too: integrals over a line.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.theories.deep_shape import DeepShape, shape_of
from bnnpost.theories.scale_draws import log_scales
from bnnpost.theories.scale_law import Lattice, lattice
from bnnpost.theories.scale_spectrum import Spectrum, Vector, spectrum_of

_AT_ONCE = 4096


@dataclass(frozen=True)
class DeepLinear:
    """The exact posterior of a deep linear network, a mixture over the scale S.

    log_evidence: log p(y) in nats. scales: values of log S on a line, and probabilities: theirs
    under the posterior. S is 1 on average under the prior.
    """

    posterior: Posterior
    log_evidence: float
    scales: Vector
    probabilities: Vector
    shape: DeepShape
    spectrum: Spectrum

    def mean(self, x: object) -> Float[np.ndarray, "m 1"]:
        """Posterior mean of f at inputs x [m, feature]."""
        means = self._means(self._at(x), self.scales)
        return (self.probabilities @ means)[:, None]  # type: ignore[no-any-return]

    def covariance(self, x: object) -> Float[np.ndarray, "m m"]:
        """Posterior covariance of f at inputs x: within the scales and between them."""
        at = self._at(x)
        means = self._means(at, self.scales)
        centred = means - self.probabilities @ means
        between = (self.probabilities[:, None] * centred).T @ centred
        within = np.zeros_like(between)
        for part in np.array_split(np.arange(len(self.scales)), -(-len(self.scales) // _AT_ONCE)):
            found = self._covariances(at, self.scales[part])
            within += np.tensordot(self.probabilities[part], found, axes=1)
        return within + between

    def sample(
        self, key: Array, x: object, num_samples: int = 1000
    ) -> Float[np.ndarray, "sample m 1"]:
        """Exact independent draws of f at inputs x, [sample, point, output].

        log S is drawn by rejection, from gamma variables as they are or tilted, with a bound that
        holds over the whole line; f is normal given S. Raises TypeError for a legacy key,
        ValueError for a number of samples that is not positive.
        """
        count = positive_integer("num_samples", num_samples)
        rng = np.random.default_rng(np.asarray(jax.random.key_data(require_key(key))))
        at = self._at(x)
        found = []
        for begin in range(0, count, _AT_ONCE):
            logs = log_scales(self.shape.widths, self.spectrum, min(_AT_ONCE, count - begin), rng)
            values, vectors = np.linalg.eigh(self._covariances(at, logs))
            roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
            normals = rng.standard_normal((*roots.shape[:2], 1))
            found.append(self._means(at, logs)[..., None] + roots @ normals)
        return np.concatenate(found)

    def _at(self, x: object) -> "_Points":
        points = self.posterior.checked_test_points(x)
        kernel, added = self.shape.kernels(np.concatenate([self.posterior.x, points]))
        num_train = self.posterior.num_points
        cross = self.spectrum.whiten(kernel[:num_train, num_train:])
        constant = self.spectrum.whiten(np.full((num_train, len(points)), added))
        return _Points(cross, constant, kernel[num_train:, num_train:], added)

    def _means(self, at: "_Points", logs: Vector) -> Float[np.ndarray, "s m"]:
        scales = np.exp(logs)[:, None]
        weighed = self.spectrum.targets / (1 + scales * self.spectrum.values)
        return (scales * weighed) @ at.cross + weighed @ at.constant  # type: ignore[no-any-return]

    def _covariances(self, at: "_Points", logs: Vector) -> Float[np.ndarray, "s m m"]:
        scales = np.exp(logs)[:, None, None]
        cross = scales * at.cross + at.constant
        weighed = cross / (1 + scales * self.spectrum.values[:, None])
        prior = scales * at.prior + at.added
        return prior - np.einsum("sim,sin->smn", cross, weighed)  # type: ignore[no-any-return]


class _Points(NamedTuple):
    """Kernels of test points: with the training points, whitened, and of their own."""

    cross: Float[np.ndarray, "n m"]
    constant: Float[np.ndarray, "n m"]
    prior: Float[np.ndarray, "m m"]
    added: float


def deep_linear(posterior: Posterior) -> DeepLinear:
    """The exact posterior of a linear network of one output, of any depth and any widths.

    Layers: Dense with normal weights and numbers for scales, and activations that only multiply,
    such as "identity"; biases in the first layer and in the readout. Gaussian noise of known size.
    No random numbers: a one-dimensional integral to rounding (Hanin and Zlokapa 2023). An oracle
    for samplers of any kind, at widths where no limit holds.

    Raises ValueError for a network that is not linear, or has another law of its weights, hidden
    biases or several outputs, saying where; for noise that is not Gaussian of known size; and
    FloatingPointError if the noise is lost in the rounding of the kernel.
    """
    require_posterior(posterior)
    if posterior.num_outputs != 1:
        raise ValueError(
            f"expected one output, got {posterior.num_outputs}: the scale is then a matrix, which "
            "deep_linear_outputs(key, posterior) takes"
        )
    shape, noise_variance = shape_of(posterior), posterior.likelihood.known_var()
    kernel, added = shape.kernels(posterior.x)
    spectrum = spectrum_of(kernel, added, noise_variance, posterior.targets[:, 0])
    law = lattice(shape.widths, spectrum.roughness, _depth(spectrum))
    log_evidence, probabilities = _integral(law, spectrum)
    return DeepLinear(posterior, log_evidence, law.places, probabilities, shape, spectrum)


def _depth(spectrum: Spectrum) -> float:
    """How much larger log p(y | S) is at its best than where S is 1."""
    line = np.linspace(-60.0, 60.0, 2000)
    return float(np.max(spectrum.log_density(line)) - spectrum.log_density(np.zeros(1))[0])


def _integral(law: Lattice, spectrum: Spectrum) -> tuple[float, Vector]:
    """log ∫ p(y | S) p(S) dS, and the probabilities of the places under the posterior."""
    logs = spectrum.log_density(law.places)
    largest = float(np.max(logs))
    weights = law.probabilities * np.exp(logs - largest)
    return largest + math.log(weights.sum()), weights / weights.sum()
