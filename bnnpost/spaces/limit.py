"""The limit space: the posterior of the infinitely wide network, a Gaussian process."""

import equinox as eqx
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from bnnpost.kernels import nngp, ntk
from bnnpost.networks.limiting import require_one_process, require_processes, scale_places
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.spaces.gaussian_law import GaussianLaw, MeanAndCovariance, require_room
from bnnpost.spaces.network_parts import num_first_inputs, split_readout
from bnnpost.spaces.sampled_limit import SampledLimit, sampled_limit, summed_limit
from bnnpost.spaces.scaled_kernels import is_single


class Limit(GaussianLaw):
    """Gaussian-process posterior with the NNGP kernel, or the NTK; all in double precision.

    log_evidence: log p(y) in nats, summed over outputs. key: of the units that the kernel
    samples, if it does. tangent: whether the kernel is the NTK.
    """

    posterior: Posterior
    log_evidence: float
    key: Array | None = None
    tangent: bool = eqx.field(static=True, default=False)

    def conditional(self, x: object) -> MeanAndCovariance:
        """Mean and covariance at inputs x: k*ᵀ(K+σ²I)⁻¹y and K** − k*ᵀ(K+σ²I)⁻¹k*."""
        train, points = self.posterior.x, self.posterior.checked_test_points(x)
        require_room(len(train) + len(points))
        rows = np.concatenate([train, points])
        kernel = _kernel(self.posterior, rows, self.key, self.tangent)
        num_train = len(train)
        factor = _factor(self.posterior, kernel[:num_train, :num_train])
        cross = scipy.linalg.solve_triangular(factor, kernel[:num_train, num_train:], lower=True)
        whitened = scipy.linalg.solve_triangular(factor, self.posterior.targets, lower=True)
        prior = kernel[num_train:, num_train:]
        return MeanAndCovariance(cross.T @ whitened, prior - cross.T @ cross)


def limit(
    posterior: Posterior, *, key: Array | None = None, num_proposals: int = 2**14
) -> Limit | SampledLimit:
    """The posterior as every hidden width goes to infinity: that of a Gaussian process.

    Closed form for Gaussian noise of known size (Rasmussen and Williams 2006, algorithm 2.1).
    Under any other likelihood it is an importance estimate from `num_proposals` draws of the
    process, guided as a network's are, and needs a key. Random scales that a layer's units
    share make the limit a mixture of processes over them: one such scale under known Gaussian
    noise is integrated over by a rule (a SampledLimit without error); in any other case scales
    are drawn from their prior with the process. Also needs a key where `nngp` does.
    Raises TypeError without one, ValueError for a network whose limit is neither (no linear
    readout, weights with a mean or an infinite variance, a readout bias with a law of its own),
    FloatingPointError if the noise is lost in the rounding of the kernel.
    """
    _require_readout(posterior)
    require_processes(posterior.network)
    key = None if key is None else require_key(key)
    places = scale_places(posterior.network)
    closed = posterior.likelihood.known_std is not None
    if closed and is_single(
        posterior.network, num_first_inputs(posterior.network, posterior.x.shape[1:])
    ):
        return summed_limit(posterior, key)
    if places or not closed:
        if key is None:
            why = "random " + ", ".join(map(str, places)) if places else _kind(posterior)
            raise TypeError(
                f"the limit under {why} has no closed form and is "
                "sampled: pass limit(posterior, key=jax.random.key(0))"
            )
        return sampled_limit(key, posterior, num_proposals)
    return _gaussian_limit(posterior, key, tangent=False)


def ntk_gp(posterior: Posterior, *, key: Array | None = None) -> Limit:
    """The Gaussian-process posterior with the neural tangent kernel in place of the NNGP's.

    That of the network linearised in its parameters, f(x) = J(x)u with u ~ N(0, I); and of an
    infinitely wide ensemble whose members each start at such a draw and are trained on targets
    with noise of their own (He et al. 2020, arXiv 2007.05864). It is neither `limit`, the
    posterior of the network itself, nor `ensemble_limit`, what plain training gives.
    `log_evidence` is its log marginal likelihood, in nats.
    Raises ValueError for a likelihood other than `Gaussian` and where the kernel is not one (see
    `ntk`), FloatingPointError if the noise is lost in the rounding of the kernel, TypeError for
    something that is no posterior.
    """
    require_one_gaussian_process(posterior)
    return _gaussian_limit(posterior, None if key is None else require_key(key), tangent=True)


def require_one_gaussian_process(posterior: Posterior) -> None:
    """Raise unless the noise is Gaussian, of known size, and the limit one Gaussian process.

    TypeError for something that is no posterior, else ValueError.
    """
    _require_readout(posterior)
    if posterior.likelihood.known_std is None:
        raise ValueError(
            "expected Gaussian noise of known size, whose negative log likelihood is a squared "
            f"error, got {_kind(posterior)}: use likelihoods.Gaussian(noise_std=…)"
        )
    require_one_process(posterior.network)


def _require_readout(posterior: Posterior) -> None:
    require_posterior(posterior)
    if split_readout(posterior.network)[1] is None:
        raise ValueError(
            "the limit is a Gaussian process only where the network ends in a linear layer: add "
            "a Dense layer, or compare draws without a limit"
        )


def _gaussian_limit(posterior: Posterior, key: Array | None, *, tangent: bool) -> Limit:
    factor = _factor(posterior, _kernel(posterior, posterior.x, key, tangent))
    whitened = scipy.linalg.solve_triangular(factor, posterior.targets, lower=True)
    num_points, num_outputs = posterior.targets.shape
    log_det = 2 * np.sum(np.log(np.diagonal(factor))) + num_points * np.log(2 * np.pi)
    log_evidence = float(-0.5 * (np.sum(whitened**2) + num_outputs * log_det))
    return Limit(posterior, log_evidence, key, tangent)


def _kind(posterior: Posterior) -> str:
    return type(posterior.likelihood).__name__


@in_double_precision
def _kernel(
    posterior: Posterior, x: Float[np.ndarray, "n *f"], key: Array | None, tangent: bool
) -> Float[np.ndarray, "n n"]:
    return np.asarray((ntk if tangent else nngp)(posterior.network, x, key=key))


def _factor(posterior: Posterior, kernel: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """Cholesky factor of K + σ²I."""
    noise_var = posterior.likelihood.known_var()
    noisy = kernel + noise_var * np.eye(len(kernel))
    try:
        return scipy.linalg.cholesky(noisy, lower=True)
    except np.linalg.LinAlgError:
        raise FloatingPointError(
            "K + noise is not positive definite in double precision: noise_std "
            f"{np.sqrt(noise_var):.3g} is lost in the rounding of the kernel (largest "
            f"entry {np.max(kernel):.3g}); use a larger noise_std"
        ) from None
