"""How often targets drawn from the prior itself are said to be at odds with it.

For each problem, targets from the limit's prior predictive, and how much evidence the best
factor on the readout std gains on each; a gain of more than log 100 nats is a false alarm.
"""

import jax
import numpy as np

import bnnpost
from bnnpost.samplers.forecast import LARGEST_GAIN, gains

NUM_TARGETS = 40_000
NOISE_VAR = 0.1


def kernels() -> dict[str, tuple[np.ndarray, int]]:
    """Kernel of each problem, and its number of outputs."""
    found = {}
    with jax.enable_x64(True):
        for n in (1, 5, 50):
            x, _, _, _ = bnnpost.datasets.diabetes_problem(n, 5)
            found[f"diabetes({n}, 5)"] = np.asarray(bnnpost.nngp(bnnpost.mlp(width=1), x)), 1
        for n in (5, 10):
            x, _, _, _ = bnnpost.datasets.digits_problem(n)
            network = bnnpost.mlp(
                width=1, activation="relu", w_std=2**0.5, num_outputs=10, readout_w_std=0.3
            )
            found[f"digits({n})"] = np.asarray(bnnpost.nngp(network, x)), 10
    return found


def main() -> None:
    rng = np.random.default_rng(0)
    print(f"{jax.devices()[0].device_kind}; {NUM_TARGETS:,} targets a problem, noise_std √0.1")
    for name, (kernel, num_outputs) in kernels().items():
        variances = np.maximum(np.linalg.eigvalsh(kernel), 0.0)
        normals = rng.chisquare(num_outputs, (NUM_TARGETS, len(variances)))
        alarms = sum(
            gains(variances, (variances + NOISE_VAR) * row, num_outputs, NOISE_VAR).max()
            > LARGEST_GAIN
            for row in normals
        )
        print(f"  {name:<15} false alarms {alarms / NUM_TARGETS:.4f}")


if __name__ == "__main__":
    main()
