"""Whether the prior's scale fits the targets, asked of the infinite-width limit.

With Gaussian noise the limit's evidence is known in closed form, and a factor on both stds of
the readout multiplies the kernel by exactly its square. So does one eigendecomposition give
the evidence for every factor at once.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bnnpost.kernels import self_kernel
from bnnpost.networks.limiting import require_one_process
from bnnpost.numerics.precision import in_double_precision
from bnnpost.posterior import Posterior
from bnnpost.spaces.network_parts import split_readout

# Nats of evidence that a better scale gains before the prior is said to be at odds with the
# targets: a hundredfold acceptance. Targets drawn from the prior itself gain as much with
# probability 0.003 at most (benchmarks/prior_scale.py; χ²₁ of twice the gain: 0.0024).
LARGEST_GAIN = math.log(100.0)
# Factors tried: steps of 2.3 %, finer than any advice on a prior need be.
_FACTORS = np.logspace(-3, 3, 601)


@dataclass(frozen=True)
class PriorScale:
    """How the targets sit with the prior predictive of the limit, and the scale that fits best.

    w_std, b_std: of the readout as it is (b_std None without a bias); noise_std: of the noise.
    factor: on both stds of the readout, K → factor²·K, where the limit's log evidence is
    largest, between 0.001 and 1000; gain: by how many nats it is then larger. noise_factor,
    noise_gain: the same for a factor of 1 or more on noise_std, the readout as it is (targets of
    low rank, such as classes, want no noise at all: that says nothing of the prior).
    norm_ratio: yᵀ(K+σ²I)⁻¹y over its mean under the prior, n·k: below 1 the targets are
    smaller than the prior expects, above 1 larger.
    """

    w_std: float
    b_std: float | None
    noise_std: float
    factor: float
    gain: float
    noise_factor: float
    noise_gain: float
    norm_ratio: float

    @property
    def at_odds(self) -> bool:
        """Whether another scale gains more than log 100 nats, be the prior too wide or too narrow.

        The gain and not the tail of χ²_nk for yᵀ(K+σ²I)⁻¹y is asked: that tail has a p-value of
        2·10⁻⁹ for ten digits whose readout std is as good as best (one-hot targets have low
        rank), and says nothing of cost. Acceptance under a strict bound, which a scale hardly
        moves, grows by e^gain.
        """
        return self.gain > LARGEST_GAIN

    def sentence(self) -> str:
        """What is at odds and which scale fits; empty where nothing is."""
        if not self.at_odds:
            return ""
        width = "wide" if self.factor < 1 else "narrow"
        stds = f"readout w_std {self.w_std:.2g} → {_plain(self.w_std * self.factor)}"
        if self.b_std is not None:
            stds += f", b_std {self.b_std:.2g} → {_plain(self.b_std * self.factor)}"
        text = (
            f"The prior is too {width} for these targets: a readout std times "
            f"{_plain(self.factor)} ({stds}) makes them 10^{self.gain / math.log(10):.0f} times as "
            "likely in the limit"
        )
        if self.factor > 1 and self.noise_gain > self.gain:
            text += (
                f"; a noise_std of {_plain(self.noise_std * self.noise_factor)} instead of "
                f"{self.noise_std:.2g} fits better still, 10^{self.noise_gain / math.log(10):.0f}"
            )
        return text + "."


def _plain(number: float) -> str:
    """Two digits, without an exponent where that can be."""
    return f"{float(f'{number:.2g}'):,g}"


def prior_scale(posterior: Posterior) -> PriorScale | None:
    """The scale of the prior against the targets, in the infinite-width limit.

    None where the limit's evidence has no closed form: noise that is not Gaussian of known
    size, no linear readout, random scales, or a network without a finite limit kernel.
    """
    likelihood, readout = posterior.likelihood, split_readout(posterior.network)[1]
    if likelihood.known_std is None or readout is None or readout.random_scales:
        return None
    kernel = _kernel(posterior)
    if kernel is None or not np.all(np.isfinite(kernel)):
        return None
    variances, directions = np.linalg.eigh(kernel)
    variances = np.maximum(variances, 0.0)
    squares = np.sum((directions.T @ posterior.targets) ** 2, axis=1)
    num_outputs, noise = posterior.targets.shape[1], likelihood.known_var()
    now = _log_evidence(variances + noise, squares, num_outputs)
    scaled = gains(variances, squares, num_outputs, noise)
    larger = _FACTORS[_FACTORS > 0.999, None] ** 2
    noisier = _log_evidence(variances + larger * noise, squares, num_outputs) - now
    best, best_noise = int(np.argmax(scaled)), int(np.argmax(noisier))
    return PriorScale(
        w_std=float(readout.w_std),
        b_std=None if readout.b_std is None else float(readout.b_std),
        noise_std=math.sqrt(noise),
        factor=float(_FACTORS[best]),
        gain=float(scaled[best]),
        noise_factor=float(np.sqrt(larger[best_noise, 0])),
        noise_gain=float(noisier[best_noise]),
        norm_ratio=float(np.sum(squares / (variances + noise)) / posterior.targets.size),
    )


@in_double_precision
def _kernel(posterior: Posterior) -> Float[np.ndarray, "n n"] | None:
    """The limit's at the training points, units drawn from a key of its own where need be."""
    x = jnp.asarray(posterior.x.reshape(posterior.num_points, -1))
    try:
        require_one_process(posterior.network)
        return np.asarray(self_kernel(posterior.network, x, jax.random.key(0)))
    except (NotImplementedError, ValueError):  # no kernel, or not one
        return None


def gains(
    variances: Float[np.ndarray, " n"],
    squares: Float[np.ndarray, " n"],
    num_outputs: int,
    noise_var: float,
) -> Float[np.ndarray, " f"]:
    """Nats of evidence that each factor on the readout std gains.

    variances: eigenvalues of the kernel K; squares: Σ_o (uᵢᵀy_o)² along its eigenvectors.
    """
    now = _log_evidence(variances + noise_var, squares, num_outputs)
    scaled = _FACTORS[:, None] ** 2 * variances + noise_var
    return _log_evidence(scaled, squares, num_outputs) - now


def _log_evidence(
    spectrum: Float[np.ndarray, "*f n"], squares: Float[np.ndarray, " n"], num_outputs: int
) -> Float[np.ndarray, "*f"]:
    """Σ_o log N(y_o; 0, K + σ²I) from its eigenvalues and Σ_o (uᵢᵀy_o)², in nats."""
    logs = num_outputs * np.log(2 * np.pi * spectrum)
    return -0.5 * np.sum(squares / spectrum + logs, axis=-1)
