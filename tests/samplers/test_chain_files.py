"""Chains in a directory: gone on with after any end, to the draws that one call gives."""

import json
import shutil
import signal
import time
import types

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.samplers.chains import chain_run
from bnnpost.samplers.chains import run as chains_run
from bnnpost.samplers.chains.chain_run import StoredChains, packed, unpacked
from bnnpost.samplers.chains.run import Chain, Runner, Totals
from tests import processes
from tests.files import contents
from tests.samplers.cases import Case, X
from tests.samplers.small_chains import (
    QUIET,
    assert_same,
    parts,
    sample,
    several_files,
    states,
)
from tests.samplers.user_likelihoods import Shifted

pytestmark = QUIET


@pytest.fixture(scope="module")
def whole():
    """What one call without a directory gives."""
    return sample()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return several_files(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def copy(finished, tmp_path):
    """A finished run, to be damaged or gone on with."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.mark.slow
def test_a_directory_changes_nothing_and_a_run_can_be_extended(whole, tmp_path):
    path = tmp_path / "run"
    assert_same(sample(130, directory=path), sample(130))
    assert_same(sample(directory=path), whole)
    assert_same(bnnpost.load(path / "draws.nc"), whole)
    assert [int(file.stem) for file in parts(path)] == [0, 130]
    assert [int(file.stem) for file in states(path)] == [170, 240]
    status = json.loads((path / "status.json").read_text())
    assert (status["state"], status["num_warmup"], status["num_samples"]) == ("done", 40, 200)
    with pytest.warns(UserWarning, match="held 400 draws and now holds 260; all blocks are kept"):
        assert_same(sample(130, directory=path), sample(130))


@pytest.mark.slow
def test_thinned_chains_are_gone_on_with(tmp_path):
    for num_samples in (129, 140):
        draws = sample(num_samples, thinning=2, directory=tmp_path / "run")
    assert_same(draws, sample(140, thinning=2))


@pytest.mark.first
@pytest.mark.parametrize(
    ("calls", "seconds"),
    [
        (1, 1000.0),
        (3, 0.0),
        (8, 1000.0),
        *(
            pytest.param(*pair, marks=pytest.mark.slow)
            for pair in [(1, 0.0), (3, 1000.0), (8, 0.0)]
        ),
    ],
)
def test_an_interruption_anywhere_loses_one_block(whole, tmp_path, monkeypatch, calls, seconds):
    """In warmup or later, whether a write is due or not."""
    advance, path, done = Runner.advance, tmp_path / "run", []

    def interrupted(self, chains, first, count, every):
        if len(done) == calls:
            raise KeyboardInterrupt
        done.append(count * every)
        return advance(self, chains, first, count, every)

    monkeypatch.setattr("bnnpost.runs.store.SECONDS", seconds)
    with monkeypatch.context() as patch:
        patch.setattr(Runner, "advance", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sample(directory=path)
    assert json.loads((path / "status.json").read_text())["state"] == "interrupted"
    assert int(states(path)[-1].stem) == sum(done)
    assert_same(sample(directory=path), whole)
    assert len(states(path)) == 2


def test_a_kill_between_the_first_draws_and_their_state(whole, tmp_path, monkeypatch):
    written = StoredChains.write_state

    def killed(self, state):
        if state.at.num_samples:
            raise KeyboardInterrupt
        written(self, state)

    with monkeypatch.context() as patch:
        patch.setattr("bnnpost.runs.store.SECONDS", 0.0)
        patch.setattr(StoredChains, "write_state", killed)
        with pytest.raises(KeyboardInterrupt):
            sample(directory=tmp_path)
    assert len(parts(tmp_path)) == 1
    assert_same(sample(directory=tmp_path), whole)


def test_a_kill_between_later_draws_and_their_state(whole, copy):
    states(copy)[-1].unlink()
    (copy / "states" / ".half.0123456789ab.tmp.npz").write_bytes(b"half")
    assert_same(sample(directory=copy), whole)
    assert not list(copy.rglob("*.tmp*"))


@pytest.mark.parametrize("gone", [[-1, -2], pytest.param([-1], marks=pytest.mark.slow)])
def test_damaged_states_are_set_aside_and_the_chains_go_on_from_before(whole, copy, gone):
    for which in gone:
        states(copy)[which].write_bytes(b"")
    with pytest.warns(UserWarning, match="is damaged"):
        assert_same(sample(directory=copy), whole)


def test_another_version_is_told_and_goes_on(whole, copy, monkeypatch):
    monkeypatch.setattr(chain_run, "made_with", lambda: {"processor": "another"})
    states(copy)[-1].unlink()
    with pytest.warns(UserWarning, match="need not be, bit for bit"):
        assert_same(sample(directory=copy), whole)


class Tree(eqx.Module):
    """Leaves of every kind that a state may have."""

    key: jax.Array
    numbers: dict[str, jax.Array]
    none: None = None


def test_a_state_of_any_arrays_and_keys_comes_back_as_it_was():
    class Fake:
        target = types.SimpleNamespace(x64=True)

        @property
        def shapes(self):
            with jax.enable_x64(True):
                return jax.eval_shape(lambda: made(0)), None

    def made(i):
        numbers = {"whole": jnp.arange(3) + i, "small": jnp.float32(i), "on": jnp.array(i > 0)}
        return Chain(Tree(jax.random.key(i), numbers), Totals.none())

    with jax.enable_x64(True):
        carried = [made(0), made(5)]
    again = unpacked(packed(carried, Fake()), 2, Fake())
    assert jax.tree.structure(again) == jax.tree.structure(carried)
    for one, other in zip(jax.tree.leaves(again), jax.tree.leaves(carried), strict=True):
        assert one.dtype == other.dtype
        assert (one == other).all()


@pytest.mark.each(3)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_warmup": 50}, r"other settings \(num_warmup 40 → 50\)"),
        ({"num_chains": 3}, r"other settings \(num_chains 2 → 3\)"),
        ({"thinning": 2}, r"other settings \(thinning 1 → 2\)"),
        ({"step_size": 0.5}, r"other settings \(step_size None → 0.5\)"),
        ({"target_accept": 0.4}, r"other settings \(target_accept 0.3 → 0.4\)"),
        ({"chain_method": "vectorized"}, "vectorized"),
        ({"sampler": bnnpost.elliptical_slice}, r"other settings \(sampler 'pcn' → 'slice'\)"),
        pytest.param(
            {"sampler": bnnpost.hmc},
            r"other settings \(sampler 'pcn' → 'nuts'\)",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_other_settings_are_refused_and_the_run_left_alone(copy, options, words):
    before = contents(copy)
    with pytest.raises(ValueError, match=words):
        sample(directory=copy, **options)
    assert contents(copy) == before


def test_a_directory_that_is_replaced_meanwhile_is_not_written_to(tmp_path, monkeypatch):
    advance, path = Runner.advance, tmp_path / "run"

    def removed(self, *arguments):
        shutil.rmtree(path, ignore_errors=True)
        return advance(self, *arguments)

    monkeypatch.setattr(Runner, "advance", removed)
    with pytest.raises(ValueError, match="removed or replaced"):
        sample(directory=path)
    assert not (path / "blocks").exists()


def test_draws_that_would_not_fit_in_memory_are_refused_before_they_run(tmp_path, monkeypatch):
    monkeypatch.setattr(chains_run, "available_memory", lambda: 10**5)
    with pytest.raises(ValueError, match=r"2 chains of 200 draws need about .* thinning="):
        sample(directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def with_shift(path, shift, num_samples):
    network = Case().posterior().network
    posterior = bnnpost.Posterior(network, Shifted(shift), X, Case().targets)
    return sample(num_samples, posterior=posterior, directory=path, collapse=False)


@pytest.mark.slow
def test_draws_that_do_not_come_out_the_same_again_are_noticed(copy, monkeypatch):
    """As where code, libraries or data have changed since; found before anything is computed."""
    kept = StoredChains.part_from

    def altered(self, number):
        part = kept(self, number)
        if number == int(states(copy)[-2].stem) - 40:
            part.samples.info["lp"][0, 0] += 0.01
        return part

    monkeypatch.setattr(StoredChains, "part_from", altered)
    with pytest.raises(ValueError, match="come to other draws than before"):
        sample(201, directory=copy)


@pytest.mark.slow
def test_a_likelihood_that_changed_since_the_run_began_is_noticed(tmp_path):
    with_shift(tmp_path, 0.0, 128)
    for num_samples in (128, 129):
        with pytest.raises(ValueError, match="come to other draws than before"):
            with_shift(tmp_path, 0.01, num_samples)


@pytest.mark.slow
def test_no_start_leaves_no_draws_and_says_so(tmp_path):
    with pytest.raises(FloatingPointError, match="finds no start"):
        with_shift(tmp_path / "run", np.nan, 128)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "failed" and "finds no start" in status["error"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"space": "functions"},
        {"method": "hmc", "space": "functions"},
        {"method": "hmc", "chain_method": "vectorized"},
    ],
)
def test_hamiltonian_chains_are_gone_on_with_from_within_warmup(tmp_path, monkeypatch, options):
    advance, left = Runner.advance, [4]

    def interrupted(self, *arguments):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return advance(self, *arguments)

    monkeypatch.setattr(Runner, "advance", interrupted)
    settings = {"sampler": bnnpost.hmc, **options}
    with pytest.raises(KeyboardInterrupt):
        sample(directory=tmp_path / "run", **settings)
    assert_same(sample(directory=tmp_path / "run", **settings), sample(**settings))


CODE = """
import bnnpost
from tests.samplers.small_chains import sample
sample({num_samples}, directory={path!r})
"""


@pytest.mark.slow
def test_killed_runs_lose_seconds_and_go_on(tmp_path):
    """Killed twice, with draws on disk and then a little later."""
    path, held = tmp_path / "run", 0
    for _ in range(2):
        process = processes.start("-c", CODE.format(num_samples=10**6, path=str(path)))
        while process.poll() is None and len(parts(path)) <= held:
            time.sleep(0.05)
        time.sleep(1.0)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        before, held = held, len(parts(path))
        assert held > before
    num_kept = int(states(path)[-1].stem) - 40
    assert_same(sample(num_kept + 500, directory=path), sample(num_kept + 500))
