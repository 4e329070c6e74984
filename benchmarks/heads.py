"""One attention head of growing width, and a growing number of heads: which reach the limit?

    python benchmarks/heads.py [proposals a width]

Six rows of the 8 × 8 digits as sequences of rows, four of them for training, targets +1 for an
even digit and −1 for an odd one; attention on the rows, the mean over positions, a readout. With
scores over √d and independent queries and keys, the limit of many heads is Gaussian and that of one
head is not, however wide its keys and values (Hron et al. 2020); with scores over d and tied ones,
one head is enough. What is measured is the posterior: its distance from the limit's.
"""

import functools
import sys
import warnings

import jax
import numpy as np

import bnnpost
from bnnpost.kernels import HeadsWarning
from bnnpost.networks import Dense, GlobalAvgPool, SelfAttention, Serial

WIDTHS = (4, 16, 64, 256)
NOISE_STD, NUM_TRAIN, NUM_TEST = 0.5, 4, 2
# A growing number of heads keeps narrow keys and values: their widths add nothing to that limit's
# kernel where scores are not squashed, and cost as much as heads do.
NETWORKS = {
    "√d, N heads": {"scaling": "sqrt", "mechanism": "identity", "key_width": 8, "value_width": 8},
    "√d, one head of width N": {"scaling": "sqrt", "mechanism": "identity", "heads": 1},
    "d, tied, one head of width N": {"scaling": "linear", "mechanism": "softmax", "heads": 1},
}


def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images as sequences [image, row, column], and targets of the training images."""
    digits = bnnpost.datasets.load("digits")
    rows = np.random.default_rng(0).permutation(len(digits.x))[: NUM_TRAIN + NUM_TEST]
    x = digits.x[rows].reshape(-1, 8, 8)
    x = (x - x.mean()) / x.std()
    y = np.where(np.argmax(digits.y[rows], axis=1) % 2 == 0, 1.0, -1.0)
    return x[:NUM_TRAIN], y[:NUM_TRAIN], x[NUM_TRAIN:]


def posterior(width: int, options: dict) -> bnnpost.Posterior:
    x, y, _ = problem()
    attention = SelfAttention(width, **options)
    network = Serial([attention, GlobalAvgPool(), Dense(1, w_std=_readout_std(options), b_std=0.1)])
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(NOISE_STD), x, y)


@functools.cache
def _kernel_size(options: tuple) -> float:
    """Mean variance of a network with a readout std of 1: what makes f of order 1."""
    attention = SelfAttention(4, **dict(options))
    network = Serial([attention, GlobalAvgPool(), Dense(1)])
    with jax.enable_x64(True):
        return float(np.mean(np.diag(bnnpost.nngp(network, problem()[0]))))


def _readout_std(options: dict) -> float:
    return _kernel_size(tuple(options.items())) ** -0.5


def main() -> None:
    proposals = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    # That one head has another limit is what this shows.
    warnings.simplefilter("ignore", HeadsWarning)
    _, _, x_test = problem()
    print(f"{NUM_TRAIN} training points, noise std {NOISE_STD}, {proposals} proposals a width")
    for name, options in NETWORKS.items():
        print(name)
        for width in WIDTHS:
            found = bnnpost.compare(
                jax.random.key(width), posterior(width, options), x_test, num_proposals=proposals
            )
            tv, error = float(found["tv"].mean()), float(found["tv_se"].max())
            evidence, evidence_error = (
                float(found[f"log_evidence_error{end}"]) for end in ("", "_se")
            )
            print(
                f"  N {width:>4}: TV {tv:.4f} ± {error:.4f}, log evidence less the limit's "
                f"{evidence:+.4f} ± {evidence_error:.4f}"
            )


if __name__ == "__main__":
    main()
