"""bnnpost zoo with real references: built by the command, interrupted, and right about draws."""

import functools
import signal

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.zoo import reference_files
from tests.cli.invocation import invoke, start

pytestmark = pytest.mark.slow

GAUSSIAN, CLASSES = "cubic-relu-1x4", "wine-tanh-2x32"


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """A folder with two references; the build of the first was stopped once in its checks."""
    folder = tmp_path_factory.mktemp("zoo") / "new" / "zoo"
    process = start("zoo", "build", GAUSSIAN, "--out", folder)
    for line in process.stderr:
        if "now the checks" in line:
            process.send_signal(signal.SIGINT)
            break
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and "the same command goes on" in said
    assert not list(folder.glob("[!.]*"))
    done = invoke("zoo", "build", GAUSSIAN, CLASSES, "--out", folder)
    assert done.exit_code == 0, done.stderr
    return folder


@functools.cache
def values(name, noise_factor=1.0, seed=1):
    """A thousand draws of a posterior, or of the same with another noise std."""
    posterior, x_test = bnnpost.zoo.posterior(name)
    if noise_factor != 1.0:
        noise_std = float(posterior.likelihood.noise_std) * noise_factor
        likelihood = bnnpost.likelihoods.Gaussian(noise_std)
        posterior = bnnpost.Posterior(posterior.network, likelihood, posterior.x, posterior.targets)
    draws = bnnpost.rejection.sample(jax.random.key(seed), posterior, num_samples=1000)
    return {"f": draws.predict(x_test), "f_train": draws.training_outputs()}


def shifted(given):
    """Every value a third of its standard deviation too high."""
    return {name: v + v.std(axis=0) / 3 for name, v in given.items()}


def code_of(path, given, name, folder):
    np.savez(path, **given)
    done = invoke("zoo", "verify", path, name, "--zoo", folder)
    assert done.stdout.startswith({0: "PASSED", 3: "FAILED"}[done.exit_code]), done.output
    return done.exit_code


@pytest.mark.parametrize("name", [GAUSSIAN, CLASSES])
def test_right_draws_pass_and_shifted_ones_fail(zoo, tmp_path, name):
    # Right draws fail one time in a hundred, at this seed not.
    right = values(name)
    assert code_of(tmp_path / "right.npz", right, name, zoo) == 0
    assert code_of(tmp_path / "wrong.npz", shifted(right), name, zoo) == 3


def test_draws_with_half_the_noise_variance_fail(zoo, tmp_path):
    wrong = values(GAUSSIAN, noise_factor=0.5**0.5)
    assert code_of(tmp_path / "wrong.npz", wrong, GAUSSIAN, zoo) == 3


def test_right_draws_fail_against_a_reference_that_is_wrong(zoo, tmp_path):
    data = bnnpost.zoo.load(GAUSSIAN, zoo)
    for name in ("f", "f_mean"):
        data[name] = data[name] + data["f"].std("sample") / 3
    reference_files.write_reference(tmp_path, GAUSSIAN, data)
    assert code_of(tmp_path / "right.npz", values(GAUSSIAN), GAUSSIAN, tmp_path) == 3


def test_the_file_holds_the_gaussians_of_collapsed_draws_alone(zoo):
    held = bnnpost.zoo.load(GAUSSIAN, zoo)
    assert held["f_mean"].shape == held["f"].shape == (10_000, 5, 1)
    assert held["f_variance"].shape == (10_000, 5)
    assert "f_mean" not in bnnpost.zoo.load(CLASSES, zoo)
