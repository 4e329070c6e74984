"""A kernel of the user's own with its coupling, in one file; and a twin that is wrong.

One comparison in 5e8 is off by six standard errors by chance.
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost import chains, coupled
from bnnpost.numerics.precision import in_double_precision
from tests import processes
from tests.samplers import small_chains, test_coupled_kernels, test_pair_directories
from tests.samplers.checks import LIMIT, mean_z, same_mean_z, worst
from tests.samplers.coupled_pairs import POSTERIOR

KEY = jax.random.key(11)


class There(NamedTuple):
    """Where a chain is, and its log weight: the density over that of standard normals."""

    position: dict
    log_weight: jax.Array


def size(position):
    return 0.5 * sum(jnp.sum(array.astype(float) ** 2) for array in position.values())


class Independence(coupled.Paired):
    """Proposals from the prior, the same for both chains, which meet where both accept.

    lenient: what the second chain's threshold is lowered by where the first accepts; wrong, but 0.
    """

    lenient: float = 0.0
    name: ClassVar[str] = "independence"
    default_warmup: ClassVar[int] = 20

    def settings(self):
        return {}

    def init(self, key, target):
        position, log_density = chains.begin(key, target.prior, target.log_density)
        return There(position, log_density + size(position)), log_density

    def at(self, target, position):
        return There(position, target.log_density(position) + size(position))

    def step(self, key, state, target, adapting):
        proposal, threshold = self.proposed(key, target)
        state, accepted = self.judged(state, proposal, threshold)
        return state, {"lp": state.log_weight - size(state.position), "acceptance_rate": accepted}

    def moved(self, key, pair, target, count):
        proposal, threshold = self.proposed(key, target)
        x, y = (jax.tree.map(lambda array, i=i: array[i], pair) for i in range(2))
        x_after, first = self.judged(x, proposal, threshold)
        y_after, second = self.judged(y, proposal, threshold - self.lenient * first)
        y_after = jax.tree.map(lambda a, b: jnp.where(count == 2, a, b), y_after, y)
        both = jax.tree.map(lambda *arrays: jnp.stack(arrays), x_after, y_after)
        met = (count == 2) & (first + second > 1.5)
        return coupled.Moved(both, met, first, jnp.ones((), int))

    def proposed(self, key, target):
        proposal_key, accept_key = jax.random.split(key)
        return (
            self.at(target, target.prior(proposal_key)),
            jnp.log(jax.random.uniform(accept_key, (), float)),
        )

    def judged(self, state, proposal, threshold):
        accepted = proposal.log_weight - state.log_weight >= threshold
        state = jax.tree.map(lambda a, b: jnp.where(accepted, a, b), proposal, state)
        return state, accepted.astype(float)


class Sized(chains.Kernel):
    """One whose coupling is another kernel, of a step that pilot chains are asked for."""

    step_size: float = 0.5
    name: ClassVar[str] = "sized"

    def init(self, key, target):
        return Independence().init(key, target)

    def step(self, key, state, target, adapting):
        return Independence().step(key, state, target, adapting)

    def coupling(self):
        return coupled.Coupling((self,), lambda step: Independence(step - 0.5))


def sample(num_samples=60, tolerance=0.1, kernel=None, **options):
    kernel = Independence() if kernel is None else kernel
    return coupled.sample(
        KEY, POSTERIOR, num_samples=num_samples, tolerance=tolerance, kernel=kernel, **options
    )


@in_double_precision
def second_chain_z(kernel):
    """Of the second chain, coupled, and by the plain kernel."""
    target, states = test_coupled_kernels.two_states(kernel, 3.0)
    _x, y, plain, met = test_coupled_kernels.after_one_step(kernel, target, states)
    assert 0.01 < met.mean() < 0.99
    return worst(same_mean_z(*map(test_coupled_kernels.statistics, (y, plain))))


def test_the_second_chain_has_the_plain_ones_law_and_a_wrong_twin_has_not():
    assert second_chain_z(Independence()) < LIMIT
    assert second_chain_z(Independence(lenient=2.0)) > LIMIT


def test_pairs_are_gone_on_with_from_their_directory(tmp_path, monkeypatch):
    path = tmp_path / "run"
    first, whole = sample(directory=path), sample(70)
    assert first.info.coupled.kernel == "independence"
    assert first.info.coupled.transition() == "a step of independence"
    monkeypatch.setattr("bnnpost.samplers.coupled.tuning.tuned", test_pair_directories.no_pilot)
    test_pair_directories.assert_same(sample(70, directory=path), whole)
    with pytest.raises(ValueError, match=r"other settings \(kernel "):
        sample(70, directory=path, kernel=Independence(0.5))


@pytest.mark.slow
def test_its_draws_have_the_posterior(tmp_path):
    found = sample(1000, 0.01)
    assert found.info.complete
    mean, error = test_coupled_kernels.expected_h()
    values = np.asarray(jax.vmap(test_coupled_kernels.h)(found.training_outputs()))
    assert worst(mean_z(values, mean, error)) < LIMIT


CODE = """
from tests.samplers import test_own_coupling
test_own_coupling.sample({num_samples}, directory={path!r})
"""


@pytest.mark.slow
def test_a_fresh_process_goes_on_with_its_pairs(tmp_path):
    path = tmp_path / "run"
    processes.output("-c", CODE.format(num_samples=60, path=str(path)))
    processes.output("-c", CODE.format(num_samples=70, path=str(path)))
    assert "gone on with, from 60 pairs" in (path / "log.txt").read_text()
    test_pair_directories.assert_same(bnnpost.load(path / "draws.nc"), sample(70))


@small_chains.QUIET
def test_its_chains_are_gone_on_with_from_their_directory(tmp_path):
    def chain(num_samples, **options):
        options |= {"num_chains": 2, "cross_check": False}
        return chains.sample(KEY, POSTERIOR, Independence(), num_samples=num_samples, **options)

    chain(20, directory=tmp_path)
    assert chain(5).info.chains.num_warmup == 20
    small_chains.assert_same(chain(40, directory=tmp_path), chain(40))


@pytest.mark.slow
def test_its_warmup_is_measured():
    found = bnnpost.mixing(KEY, POSTERIOR, Independence(), num_pairs=120, tolerance=0.1)
    assert f"independence: after {found.warmup} transitions" in found.summary()


def test_a_coupling_by_another_kernel_is_run_and_kept(tmp_path):
    of_its_own = sample()
    test_pair_directories.assert_same(sample(kernel=Sized()), of_its_own)
    sample(kernel=Sized(), directory=tmp_path)
    again = sample(kernel=Sized(), directory=tmp_path)
    test_pair_directories.assert_same(again, of_its_own)


@pytest.mark.parametrize("name", ["PairedWalk", "Single"])
def test_what_a_record_cannot_bring_back_is_refused_before_anything_is_written(tmp_path, name):
    """A class named as one that is here, and a number that JSON would make another of."""
    kernel = type(name, (Independence,), {})(np.float32(0) if name == "Single" else 0.0)
    path = tmp_path / "run"
    with pytest.raises(ValueError, match=f"cannot keep pairs moved by {name}: expected a class"):
        sample(kernel=kernel, directory=path)
    assert not path.exists()
