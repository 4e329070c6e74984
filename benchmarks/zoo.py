"""What each reference of the zoo costs and holds, and whether it tells right draws from wrong ones.

    python benchmarks/zoo.py [FOLDER [NAME …]]

Builds what is not in FOLDER yet (default: one that is thrown away), and holds against each
reference a thousand other draws of the same posterior; these with standard deviations 20 % too
small; and, under Gaussian noise, a thousand draws with the noise variance halved. Prints a table.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

import bnnpost

NUM_DRAWS = 1000
# From so many points on, or so few accepted, strict draws with half the noise would take hours.
MANY_POINTS, RARE = 20, 1e-4
HEAD = (
    *("posterior", "kind", "one in … accepted", "worth", "s to draw", "CPU s to build"),
    *("MB .nc", "MB .csv", "of it Gaussians", "others: least p", "20 % narrow", "half the noise"),
)


@contextlib.contextmanager
def folder_of(arguments: list[str]) -> Iterator[Path]:
    """Where references are built, and are left only if it was named."""
    if arguments:
        yield Path(arguments[0])
    else:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)


def main() -> None:
    print(f"{jax.devices()[0].device_kind}\n\n| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    with folder_of(sys.argv[1:]) as folder:
        for name in sys.argv[2:] or bnnpost.zoo.names():
            print(f"| {' | '.join((*costs(name, folder), *verdicts(name, folder)))} |", flush=True)


def costs(name: str, folder: Path) -> Iterator[str]:
    """What the draws are, what they took and what they fill."""
    is_there, start = (folder / f"{name}.nc").exists(), time.process_time()
    path = bnnpost.zoo.build(name, folder)
    seconds = time.process_time() - start
    data = bnnpost.zoo.load(name, folder)
    yield name
    yield str(data.attrs["kind"])
    yield f"{1 / data.attrs['acceptance_rate']:,.3g}"
    yield f"{data.attrs['effective_sample_size']:,.0f}"
    yield f"{data.attrs['seconds']:.0f}"
    yield "there already" if is_there else f"{seconds:.0f}"
    yield f"{path.stat().st_size / 1e6:.1f}"
    yield f"{path.with_suffix('.csv').stat().st_size / 1e6:.1f}"
    gaussians = [data[n].nbytes for n in data.data_vars if str(n).endswith(("_mean", "_variance"))]
    yield f"{sum(gaussians) / 1e6:.1f}"


def verdicts(name: str, folder: Path) -> Iterator[str]:
    """Of other draws of the posterior, and of wrong ones."""
    posterior, x_test = bnnpost.zoo.posterior(name)
    bound, path = bnnpost.zoo.entry(name).bound, folder / f"{name}.nc"
    others = bnnpost.rejection.sample(
        jax.random.key(1), posterior, num_samples=NUM_DRAWS, bound=bound
    )
    yield verdict(others, path)
    centres = {"f": others.predict(x_test), "f_train": others.training_outputs()}
    narrow = {n: v.mean(0) + 0.8 * (v - v.mean(0)) for n, v in centres.items()}
    yield verdict({**narrow, "log_weight": others.log_weights}, path)
    if not isinstance(posterior.likelihood, bnnpost.likelihoods.Gaussian):
        yield ""
        return
    noise_std = float(posterior.likelihood.noise_std) / np.sqrt(2)
    wrong = bnnpost.Posterior(
        posterior.network, bnnpost.likelihoods.Gaussian(noise_std), posterior.x, posterior.targets
    )
    if len(posterior.x) >= MANY_POINTS or others.info.acceptance_rate < RARE:
        bound = "capped"
    yield verdict(
        bnnpost.rejection.sample(jax.random.key(2), wrong, num_samples=NUM_DRAWS, bound=bound), path
    )


def verdict(candidate: object, path: Path) -> str:
    """Passed or failed, with the least corrected p-value."""
    report = bnnpost.verify(jax.random.key(0), candidate, path)
    return f"{'passed' if report.passed else 'failed'}, {min(report.p_values.values()):.1g}"


if __name__ == "__main__":
    main()
