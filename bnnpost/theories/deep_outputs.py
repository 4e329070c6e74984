"""The posterior of a deep linear network of several outputs: a mixture over scale matrices.

Given the rows R of weights on the first layer's units, one for each output, the outputs are
Gaussian processes with covariance S ⊗ k₁, S = R Rᵀ. Layer by layer from the readout down, R is
multiplied with a matrix of independent normals, so that S is a product of Wishart matrices, one
for each hidden layer (Bassetti, Gherardi, Ingrosso, Pastore and Rotondo 2024, arXiv 2406.03260;
Zavatone-Veth, Tong and Pehlevan 2022). Over S, k(k+1)/2 numbers, there is no quadrature: sums over
its prior have standard errors, and draws are exact by rejection.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.theories.deep_shape import DeepShape, shape_of
from bnnpost.theories.scale_spectrum import Spectrum, spectrum_of

Matrices = Float[np.ndarray, "s k k"]
_AT_ONCE = 2048
# Below this share of accepted scale matrices there are no draws.
_LEAST_ACCEPTED = 1e-5


class _Turned(NamedTuple):
    """Scale matrices in their own directions, and the whitened targets in these.

    scales [s, k], directions [s, k, k], targets [s, n, k].
    """

    scales: Float[np.ndarray, "s k"]
    directions: Matrices
    targets: Float[np.ndarray, "s n k"]

    @classmethod
    def of(cls, matrices: Matrices, targets: Float[np.ndarray, "n k"]) -> "_Turned":
        scales, directions = np.linalg.eigh(matrices)
        return cls(np.maximum(scales, 0.0), directions, targets @ directions)

    def noisy(self, values: Float[np.ndarray, " n"]) -> Float[np.ndarray, "s n k"]:
        """Variances of the targets."""
        return 1 + values[:, None] * self.scales[:, None, :]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class DeepLinearOutputs:
    """The posterior of a deep linear network of k outputs, by draws of S from its prior.

    log_evidence: log p(y) in nats, with the standard error log_evidence_se. scales: the draws of S,
    [s, output, output], the identity on average under the prior; probabilities: theirs under the
    posterior.
    """

    posterior: Posterior
    log_evidence: float
    log_evidence_se: float
    scales: Matrices
    probabilities: Float[np.ndarray, " s"]
    shape: DeepShape
    spectrum: Spectrum
    targets: Float[np.ndarray, "n k"]

    def mean(self, x: object) -> Float[np.ndarray, "m k"]:
        """Posterior mean of f at inputs x [m, feature]."""
        at, total = self._at(x), np.zeros(())
        for part in self._parts():
            turned = _Turned.of(self.scales[part], self.targets)
            means = self._means(at, turned) @ turned.directions.transpose(0, 2, 1)
            total = total + np.tensordot(self.probabilities[part], means, axes=1)
        return total

    @property
    def acceptance(self) -> float:
        """The share of scale matrices that `sample` keeps."""
        return math.exp(self.log_evidence - self._bound())

    def sample(
        self, key: Array, x: object, num_samples: int = 1000
    ) -> Float[np.ndarray, "sample m k"]:
        """Exact independent draws of f at inputs x, [sample, point, output].

        S is drawn from its prior and kept with probability p(y | S) over a bound that holds for
        every S; f is normal given S. Raises TypeError for a legacy key, ValueError for a number of
        samples that is not positive, or where fewer than one S in 100,000 is kept.
        """
        left = positive_integer("num_samples", num_samples)
        if self.acceptance < _LEAST_ACCEPTED:
            raise ValueError(
                f"a share of {self.acceptance:.1g} of scale matrices would be accepted: expected "
                f"{_LEAST_ACCEPTED:g} or more, of fewer points or outputs, or more noise; mean and "
                "log_evidence need none"
            )
        rng = np.random.default_rng(np.asarray(jax.random.key_data(require_key(key))))
        at, found = self._at(x), []
        for kept in self._kept(rng):
            turned = _Turned.of(kept[:left], self.targets)
            found.append(self._functions(at, turned, rng))
            left -= len(found[-1])
            if left == 0:
                break
        return np.concatenate(found)

    def _kept(self, rng: np.random.Generator) -> Iterator[Matrices]:
        """Scale matrices of the posterior, as they are accepted."""
        k, bound = self.targets.shape[1], self._bound()
        while True:
            proposed = drawn_scales(self.shape.widths, k, _AT_ONCE, rng)
            logs = _log_density(_Turned.of(proposed, self.targets), self.spectrum)
            yield proposed[np.log(rng.random(_AT_ONCE)) < logs - bound]

    def _bound(self) -> float:
        """What log p(y | S) does not exceed: each direction of points has the S it likes best."""
        squares = np.sum(self.targets**2, axis=1)
        free = (squares > 1) & (self.spectrum.values > 0)
        best = np.where(free, 1 + np.log(np.where(free, squares, 1.0)), squares)
        return _constant(self.spectrum, self.targets.shape[1]) - 0.5 * float(np.sum(best))

    def _at(self, x: object) -> "_Points":
        points = self.posterior.checked_test_points(x)
        kernel, added = self.shape.kernels(np.concatenate([self.posterior.x, points]))
        n = self.posterior.num_points
        cross = self.spectrum.whiten(kernel[:n, n:])
        return _Points(
            cross, self.spectrum.whiten(np.full((n, len(points)), added)), kernel[n:, n:], added
        )

    def _means(self, at: "_Points", turned: _Turned) -> Float[np.ndarray, "s m k"]:
        """In the directions of the scale matrices."""
        weighed = turned.targets / turned.noisy(self.spectrum.values)
        scaled = weighed * turned.scales[:, None, :]
        return at.cross.T @ scaled + at.constant.T @ weighed  # type: ignore[no-any-return]

    def _functions(
        self, at: "_Points", turned: _Turned, rng: np.random.Generator
    ) -> Float[np.ndarray, "s m k"]:
        means, noisy = self._means(at, turned), turned.noisy(self.spectrum.values)
        columns = []
        for i in range(means.shape[2]):
            scale = turned.scales[:, i, None, None]
            cross = scale * at.cross + at.constant
            explained = np.einsum("snm,snl->sml", cross, cross / noisy[:, :, i, None])
            values, vectors = np.linalg.eigh(scale * at.prior + at.added - explained)
            roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
            columns.append((roots @ rng.standard_normal((*roots.shape[:2], 1)))[..., 0])
        return (means + np.stack(columns, axis=2)) @ turned.directions.transpose(0, 2, 1)  # type: ignore[no-any-return]

    def _parts(self) -> list[np.ndarray]:
        count = len(self.scales)
        return np.array_split(np.arange(count), -(-count // _AT_ONCE))


class _Points(NamedTuple):
    """Kernels of test points: with the training points, whitened, and of their own."""

    cross: Float[np.ndarray, "n m"]
    constant: Float[np.ndarray, "n m"]
    prior: Float[np.ndarray, "m m"]
    added: float


def deep_linear_outputs(
    key: Array, posterior: Posterior, *, num_scales: int = 50_000
) -> DeepLinearOutputs:
    """The posterior of a linear network of any number of outputs, any depth and any widths.

    Networks and noise as `deep_linear` takes them. num_scales: draws of S from its prior, for the
    evidence and the mean; how many of them count is 1/Σ probabilities². Raises TypeError for a
    legacy key and what is no posterior; ValueError as `deep_linear`, and for fewer than 100 scales.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(require_key(key))))
    require_posterior(posterior)
    if positive_integer("num_scales", num_scales) < 100:
        raise ValueError(f"expected num_scales to be at least 100, got {num_scales}")
    shape, noise_variance = shape_of(posterior), posterior.likelihood.known_var()
    kernel, added = shape.kernels(posterior.x)
    spectrum = spectrum_of(kernel, added, noise_variance, posterior.targets[:, 0])
    targets = spectrum.whiten(posterior.targets)
    scales = drawn_scales(shape.widths, targets.shape[1], num_scales, rng)
    parts = np.array_split(scales, -(-num_scales // _AT_ONCE))
    logs = np.concatenate([_log_density(_Turned.of(one, targets), spectrum) for one in parts])
    weights = np.exp(logs - logs.max())
    mean = float(weights.mean())
    error = float(weights.std(ddof=1)) / mean / math.sqrt(num_scales)
    evidence = float(logs.max()) + math.log(mean)
    probabilities = weights / weights.sum()
    return DeepLinearOutputs(
        posterior, evidence, error, scales, probabilities, shape, spectrum, targets
    )


def drawn_scales(
    widths: tuple[int, ...], num_outputs: int, count: int, rng: np.random.Generator
) -> Matrices:
    """S from its prior: a root of it is a product of roots of Wishart matrices, one a layer."""
    root = np.broadcast_to(np.eye(num_outputs), (count, num_outputs, num_outputs))
    for width in reversed(widths):
        root = root @ (_wishart_roots(width, num_outputs, count, rng) / math.sqrt(width))
    return root @ root.transpose(0, 2, 1)


def _wishart_roots(width: int, k: int, count: int, rng: np.random.Generator) -> Matrices:
    """Of sums over `width` normal vectors: these themselves where they are few, else Bartlett's."""
    roots = np.zeros((count, k, k))
    if width < k:
        roots[:, :, :width] = rng.standard_normal((count, k, width))
        return roots
    rows, columns = np.tril_indices(k, -1)
    roots[:, rows, columns] = rng.standard_normal((count, len(rows)))
    places = np.arange(k)
    roots[:, places, places] = np.sqrt(rng.chisquare(width - places, size=(count, k)))
    return roots


def _log_density(turned: _Turned, spectrum: Spectrum) -> Float[np.ndarray, " s"]:
    """log p(y | S), in nats."""
    noisy = turned.noisy(spectrum.values)
    fit = np.sum(np.log(noisy) + turned.targets**2 / noisy, axis=(1, 2))
    return _constant(spectrum, turned.scales.shape[1]) - 0.5 * fit  # type: ignore[no-any-return]


def _constant(spectrum: Spectrum, k: int) -> float:
    n = len(spectrum.values)
    return -k * (spectrum.log_root + 0.5 * n * math.log(2 * math.pi))
