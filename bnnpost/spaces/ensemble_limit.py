"""The limit of an ensemble: infinitely wide networks, each trained by gradient descent.

From parameters θ₀ of the prior, each network descends ½ Σ (f − y)² + ½ ridge ‖θ − θ₀‖², θ before
w_std/√fan_in and b_std multiply it. In the limit f is linear in θ − θ₀ (Jacot et al. 2018; Lee
et al. 2019), so that with Θ the neural tangent kernel and A = Θ₁₁ + ridge I

    f_t(x) = f₀(x) + R_t (y − f₀(X)),    R_t = Θ₂₁ A⁻¹ (I − e^{−At}).

Hence, with K the NNGP kernel of f₀, mean R y and covariance K₂₂ + R K₁₁ Rᵀ − R K₁₂ − K₂₁ Rᵀ.
"""

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.kernels import nngp, ntk
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.spaces.gaussian_law import GaussianLaw, MeanAndCovariance, require_room
from bnnpost.spaces.limit import require_one_gaussian_process

# Eigenvalues of Θ₁₁ at or below this fraction of the largest are the rounding of the kernel.
ZERO_EIGENVALUE = 1e-13


class Training(eqx.Module):
    """How long gradient descent runs: for a time, for a number of steps, or to convergence.

    time: of gradient flow. num_steps, learning_rate: of gradient descent, step by step. All
    None: to convergence.
    """

    time: float | None = None
    num_steps: int | None = None
    learning_rate: float | None = None

    def __check_init__(self) -> None:
        if (self.num_steps is None) != (self.learning_rate is None):
            raise ValueError("expected num_steps and learning_rate together, or neither")
        if self.time is not None:
            if self.num_steps is not None:
                raise ValueError("expected either a time of gradient flow or num_steps, got both")
            _check_at_least_zero("time", self.time)
        if self.num_steps is not None and self.num_steps != 0:
            positive_integer("num_steps", self.num_steps)
        if self.learning_rate is not None:
            check_learning_rate(self.learning_rate)

    def covered(self, rates: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """What part of its way to the end f has gone, along eigenvectors with these rates.

        1 − e^{−rate·time}, or 1 − (1 − rate·learning_rate)^num_steps.
        """
        if self.num_steps is not None:
            assert self.learning_rate is not None
            left: Float[np.ndarray, " n"] = (1 - rates * self.learning_rate) ** self.num_steps
            return 1 - left
        return np.ones_like(rates) if self.time is None else -np.expm1(-rates * self.time)


class EnsembleLimit(GaussianLaw):
    """The law of f over an infinitely wide ensemble; all in double precision.

    ridge: of the squared distance from the initial parameters. key: of the units that the
    kernels sample, if they do.
    """

    posterior: Posterior
    ridge: float
    training: Training
    key: Array | None = None

    def conditional(self, x: object) -> MeanAndCovariance:
        """Mean R y and covariance K₂₂ + R K₁₁ Rᵀ − R K₁₂ − K₂₁ Rᵀ at inputs x."""
        rows = self._rows(x)
        require_room(len(rows))
        response = self.response(x)
        away = np.concatenate([-response, np.eye(len(response))], axis=1)
        covariance = away @ self._kernel(nngp, rows) @ away.T
        return MeanAndCovariance(
            response @ self.posterior.targets, 0.5 * (covariance + covariance.T)
        )

    def response(self, x: object) -> Float[np.ndarray, "m n"]:
        """R with f_t(x) = f₀(x) + R (y − f₀(X)), for each member's own f₀."""
        num_train = self.posterior.num_points
        kernel = self._kernel(ntk, self._rows(x))
        values, vectors = np.linalg.eigh(kernel[:num_train, :num_train])
        moves = values > ZERO_EIGENVALUE * max(values[-1], 0.0)
        rates = np.where(moves, values, 1.0) + self.ridge
        # Where Θ₁₁ is 0 so is Θ₂₁: training does not move f along these eigenvectors.
        gains = np.where(moves, self.training.covered(rates) / rates, 0.0)
        return kernel[num_train:, :num_train] @ (vectors * gains) @ vectors.T

    def _rows(self, x: object) -> Float[np.ndarray, "n+m *f"]:
        return np.concatenate([self.posterior.x, self.posterior.checked_test_points(x)])

    @in_double_precision
    def _kernel(self, kernel: object, x: Float[np.ndarray, "r *f"]) -> Float[np.ndarray, "r r"]:
        return np.asarray(kernel(self.posterior.network, x, key=self.key))  # type: ignore[operator]


def ensemble_limit(
    posterior: Posterior,
    *,
    time: float | None = None,
    num_steps: int | None = None,
    learning_rate: float | None = None,
    ridge: float | None = None,
    key: Array | None = None,
) -> EnsembleLimit:
    """The law of f over an ensemble as every hidden width goes to infinity: not the posterior.

    Each member starts at a draw from the prior and descends ½ Σ (f − y)² + ½ ridge ‖θ − θ₀‖²,
    summed over points and outputs, θ before w_std/√fan_in and b_std multiply it. The limit is
    Gaussian: Lee et al. 2019 (arXiv 1902.06720), equations 14 to 16, with Θ₁₁ + ridge I for Θ₁₁.

    time: of gradient flow; or num_steps and learning_rate: of full-batch gradient descent, step
    by step; neither: to convergence. ridge: the noise variance by default, with which the loss
    is noise variance times −log p(y, θ) up to constants, were θ₀ the prior's mean; 0 is
    least squares without any pull back, as in the paper. Without a ridge, along eigenvectors
    where Θ₁₁ is below 1e-13 of its largest eigenvalue (duplicate inputs) f does not move, and at
    other inputs training converges to the pseudo-inverse's answer. key: where `ntk` needs one.
    Methods mean, covariance and sample as of `limit`; response(x), the matrix R in
    f(x) = f₀(x) + R (y − f₀(X)).

    Raises ValueError for a likelihood other than `Gaussian`, where there is no one kernel (see
    `ntk`), for a negative time or ridge, and for a learning rate at which descent diverges.
    """
    require_one_gaussian_process(posterior)
    training = Training(time, num_steps, learning_rate)
    chosen = squared_loss_ridge(posterior, ridge)
    key = None if key is None else require_key(key)
    if learning_rate is not None:
        largest = max_learning_rate(posterior, ridge=chosen, key=key)
        if learning_rate > largest:
            raise ValueError(
                f"gradient descent with learning_rate {learning_rate:.4g} diverges in the limit: "
                f"the largest stable one, max_learning_rate(posterior), is {largest:.4g}"
            )
    return EnsembleLimit(posterior, chosen, training, key)


def max_learning_rate(
    posterior: Posterior, *, ridge: float | None = None, key: Array | None = None
) -> float:
    """The learning rate above which full-batch gradient descent diverges, in the limit.

    2/(λ + ridge), λ the largest eigenvalue of the NTK at the training inputs (Lee et al. 2019,
    section 2.3), for the loss ½ Σ (f − y)² + ½ ridge ‖θ − θ₀‖², a sum over points and not a mean,
    and θ in the NTK parametrisation, that of `network.init` and `apply`. ridge: the noise variance
    by default. A finite network's kernel is random: leave a margin, such as a factor of two.
    Raises as `ensemble_limit` does.
    """
    require_one_gaussian_process(posterior)
    slowest_and_fastest = training_rates(posterior, squared_loss_ridge(posterior, ridge), key)
    return 2.0 / slowest_and_fastest[1]


@in_double_precision
def training_rates(
    posterior: Posterior, ridge: float, key: Array | None = None
) -> tuple[float, float]:
    """Least and largest rate at which training moves f: eigenvalues of Θ₁₁, each plus the ridge.

    Those of directions in which it does not move are left out.
    """
    values = np.linalg.eigvalsh(np.asarray(ntk(posterior.network, posterior.x, key=key)))
    if not values[-1] > 0:
        raise ValueError(
            "the NTK is 0 at every training input: no parameter moves the outputs there, and "
            "there is nothing to train"
        )
    moving = values[values > ZERO_EIGENVALUE * values[-1]]
    return float(moving[0]) + ridge, float(moving[-1]) + ridge


def squared_loss_ridge(posterior: Posterior, ridge: float | None) -> float:
    """The ridge, checked; by default the noise variance of a Gaussian likelihood.

    Raises ValueError for another likelihood and for a ridge that is negative or not finite.
    """
    if posterior.likelihood.known_std is None:
        raise ValueError(
            "training is on squared error, which belongs to Gaussian noise of known size; got "
            f"{type(posterior.likelihood).__name__}: use likelihoods.Gaussian(noise_std=…)"
        )
    if ridge is None:
        return posterior.likelihood.known_var()
    return _check_at_least_zero("ridge", ridge)


def check_learning_rate(value: object) -> float:
    """`value` as a number above 0; raises ValueError."""
    if _check_at_least_zero("learning_rate", value) == 0:
        raise ValueError("expected learning_rate to be above 0, got 0")
    return float(value)  # type: ignore[arg-type]


def _check_at_least_zero(name: str, value: object) -> float:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (number and np.isfinite(value) and value >= 0):  # type: ignore[operator, call-overload]
        raise ValueError(f"expected {name} to be a finite number, 0 or above, got {value!r}")
    return float(value)  # type: ignore[arg-type]
