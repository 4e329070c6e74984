"""Exponents of the loss in the size of the data set: the spectrum's, the predicted, the measured.

Four kernels on two data sets: points on the sphere of four features, with eight targets drawn from
the kernel's own prior, without noise (pool 2,000, test 500); and the digits with their labels (pool
1,400, test 397). A third, the sphere of eight features, shows what dimension does. Sizes from 32 to
half the pool, sixteen subsets each. "Agree": whether the measured exponent's 95 % interval overlaps
the predicted one's, and that of the tail. Ratio: of predicted to measured loss. Then a readout of
sixteen frozen units; exact posteriors of finite networks beside their limit at few points; and how
long a pool of 5,000 points takes, with the most memory that the process ever had. All, or the
parts named: "kernels", "features", "finite", "large". Some minutes each.

    python benchmarks/data_scaling.py [PART ...]
"""

import functools
import resource
import sys
import time

import jax
import numpy as np

import bnnpost

KEY, SEED, NUM_TARGETS, NUM_SUBSETS = jax.random.key(40), 0, 8, 16
SCALES = {"w_std": 2**0.5, "b_std": 0.3}
KERNELS = {
    "ReLU, 1 hidden layer": ({"activation": "relu", "depth": 1}, bnnpost.nngp),
    "ReLU, 3": ({"activation": "relu", "depth": 3}, bnnpost.nngp),
    "erf, 1": ({"activation": "erf", "depth": 1}, bnnpost.nngp),
    "tangent kernel of ReLU, 1": ({"activation": "relu", "depth": 1}, bnnpost.ntk),
}


def network(num_outputs: int, **arguments) -> bnnpost.Serial:
    return bnnpost.mlp(width=8, num_outputs=num_outputs, **SCALES, **arguments)


def sphere(num_features: int, arguments: dict, kernel):
    """Targets from the kernel's own prior."""
    x = bnnpost.datasets.sphere_teacher(2500, SEED, num_features=num_features).x
    with jax.enable_x64(True):
        gram = np.asarray(kernel(network(1, **arguments), x))
    values, vectors = np.linalg.eigh(gram)
    normals = np.random.default_rng(SEED).standard_normal((len(x), NUM_TARGETS))
    y = vectors @ (np.sqrt(np.maximum(values, 0.0))[:, None] * normals)
    return x[:2000], y[:2000], x[2000:], y[2000:], 1e-3


def digits(arguments: dict, kernel):
    return *bnnpost.datasets.digits_problem(1400, 397), 0.03


def told(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]".replace("-", "−")


def overlap(one: tuple[float, float], other: tuple[float, float]) -> str:
    return "yes" if max(one[0], other[0]) <= min(one[1], other[1]) else "no"


def row(name: str, title: str) -> str:
    started = time.perf_counter()
    arguments, kernel = KERNELS[name]
    x, y, x_test, y_test, noise_std = DATA[title](arguments, kernel)
    likelihood = bnnpost.likelihoods.Gaussian(noise_std)
    posterior = bnnpost.Posterior(network(y.shape[1], **arguments), likelihood, x, y)
    sizes = [size for size in (32, 64, 128, 256, 512) if 2 * size < len(x)] + [len(x) // 2]
    found = bnnpost.scaling_over_data(
        KEY, posterior, x_test, y_test, sizes=sizes, num_subsets=NUM_SUBSETS, kernel=kernel
    )
    laws = (found.tail, found.predicted, found.measured)
    cells = [told(law.exponent, law.exponent_interval) for law in laws]
    tail, predicted, measured = (law.exponent_interval for law in laws)
    ratio = found.losses.squared_error_predicted / found.losses.squared_error
    agree = f"{overlap(predicted, measured)} | {overlap(tail, measured)}"
    ratios = f"{float(ratio.min()):.2f} to {float(ratio.max()):.2f}"
    seconds = time.perf_counter() - started
    return f"| {title} | {name} | {' | '.join(cells)} | {agree} | {ratios} | {seconds:.0f} |"


def of_features() -> str:
    """A readout of sixteen units, with noise, and a floor that is fitted."""
    data = bnnpost.datasets.sphere_teacher(4000, SEED, noise_std=0.3, num_targets=NUM_TARGETS)
    x, y, x_test, y_test = data.split(3000, 1000)
    made = network(NUM_TARGETS, activation="relu", depth=1)
    posterior = bnnpost.Posterior(made, bnnpost.likelihoods.Gaussian(0.3), x, y)
    sizes, choice = (128, 256, 512, 1024, 1500), {"features": 16, "floor": None}
    found = bnnpost.scaling_over_data(
        KEY, posterior, x_test, y_test, sizes=sizes, num_subsets=NUM_SUBSETS, **choice
    )
    predicted, measured = (
        f"{told(law.exponent, law.exponent_interval)}, floor {law.floor:.3f}"
        for law in (found.predicted, found.measured)
    )
    rounded = found.losses.squared_error.values.round(4)
    return f"16 features: predicted {predicted}; measured {measured}; losses {rounded}"


def of_finite() -> str:
    """One hidden ReLU layer of 16 and 64 units: squared error more than the limit's, by points."""
    data = bnnpost.datasets.sphere_teacher(700, SEED, num_features=4)
    x, y, x_test, y_test = data.split(500, 100)
    lines = []
    for width in (16, 64):
        made = bnnpost.mlp(width=width, activation="relu", depth=1, **SCALES)
        posterior = bnnpost.Posterior(made, bnnpost.likelihoods.Gaussian(0.1), x, y)
        started = time.perf_counter()
        found = bnnpost.scaling_over_data(
            *(KEY, posterior, x_test, y_test),
            sizes=(2, 4, 8, 16, 32, 64),
            tail=(4, 60),
            num_proposals=5000,
        )
        seconds = time.perf_counter() - started
        lines += [f"{width} units, {seconds:.0f} s", found.summary()]
        for size in found.losses["size"].values.tolist():
            at = found.losses.sel(size=size)
            more, error = at.squared_error_difference, at.squared_error_difference_se
            relative = (
                f"{float(more / at.squared_error):+.3f} ± {float(error / at.squared_error):.3f}"
            )
            lines.append(f"  {size} points: {relative} of the limit's")
    return "\n".join(lines)


def of_many() -> str:
    data = bnnpost.datasets.sphere_teacher(5200, SEED, num_targets=NUM_TARGETS)
    x, y, x_test, y_test = data.split(5000, 200)
    made = network(NUM_TARGETS, activation="relu", depth=1)
    posterior = bnnpost.Posterior(made, bnnpost.likelihoods.Gaussian(1e-3), x, y)
    started = time.perf_counter()
    bnnpost.scaling_over_data(KEY, posterior, x_test, y_test, sizes=(64, 256, 1024, 2500))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return f"5,000 points: {time.perf_counter() - started:.0f} s, {most:.1f} GiB"


def of_kernels() -> str:
    print("| data | kernel | tail | predicted | measured | agree | tail agrees | ratio | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    return "\n".join(row(name, title) for title in DATA for name in KERNELS)


DATA = {
    "sphere": functools.partial(sphere, 4),
    "digits": digits,
    "sphere, 8 features": functools.partial(sphere, 8),
}

PARTS = {"kernels": of_kernels, "features": of_features, "finite": of_finite, "large": of_many}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        print(PARTS[part](), flush=True)
