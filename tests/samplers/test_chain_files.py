"""Chains in a directory: gone on with after any end, to the draws that one call gives."""

import json
import shutil
import signal
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.samplers import chain_directory
from bnnpost.samplers.chain_files import ChainFiles, _packed, _unpacked
from bnnpost.samplers.chains import Carried, Chains, Totals
from tests.samplers.small_blocks import start_python
from tests.samplers.small_chains import assert_same, parts, sample, several_files, states

# Few chains and draws agree by chance only.
pytestmark = pytest.mark.filterwarnings("ignore::bnnpost.samplers.chain_draws.ConvergenceWarning")


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


def test_thinned_chains_are_gone_on_with(tmp_path):
    for num_samples in (129, 140):
        draws = sample(num_samples, thinning=2, directory=tmp_path / "run")
    assert_same(draws, sample(140, thinning=2))


@pytest.mark.parametrize("seconds", [0.0, 1000.0])
@pytest.mark.parametrize("calls", [1, 3, 8])
def test_an_interruption_anywhere_loses_one_block(whole, tmp_path, monkeypatch, calls, seconds):
    """In warmup or later, whether a write is due or not."""
    advance, path, done = Chains.advance, tmp_path / "run", []

    def interrupted(self, chains, first, count, every):
        if len(done) == calls:
            raise KeyboardInterrupt
        done.append(count * every)
        return advance(self, chains, first, count, every)

    monkeypatch.setattr(chain_directory, "SECONDS", seconds)
    with monkeypatch.context() as patch:
        patch.setattr(Chains, "advance", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sample(directory=path)
    assert json.loads((path / "status.json").read_text())["state"] == "interrupted"
    assert int(states(path)[-1].stem) == sum(done)
    assert_same(sample(directory=path), whole)
    assert len(states(path)) == 2


def test_a_kill_between_the_first_draws_and_their_state(whole, tmp_path, monkeypatch):
    written = ChainFiles.write_state

    def killed(self, saved, chains):
        if saved.num_kept:
            raise KeyboardInterrupt
        written(self, saved, chains)

    with monkeypatch.context() as patch:
        patch.setattr(chain_directory, "SECONDS", 0.0)
        patch.setattr(ChainFiles, "write_state", killed)
        with pytest.raises(KeyboardInterrupt):
            sample(directory=tmp_path)
    assert len(parts(tmp_path)) == 1
    assert_same(sample(directory=tmp_path), whole)


def test_a_kill_between_later_draws_and_their_state(whole, copy):
    states(copy)[-1].unlink()
    (copy / "states" / ".half.0123456789ab.tmp.npz").write_bytes(b"half")
    assert_same(sample(directory=copy), whole)
    assert not list(copy.rglob("*.tmp*"))


def test_a_finished_run_is_read_and_not_computed(whole, copy, monkeypatch):
    monkeypatch.setattr(Chains, "advance", None)
    before = {file: file.stat().st_mtime_ns for file in (*parts(copy), *states(copy))}
    assert_same(sample(directory=copy), whole)
    assert before == {file: file.stat().st_mtime_ns for file in (*parts(copy), *states(copy))}


@pytest.mark.parametrize("which", [0, 2, -1])
def test_a_damaged_part_is_set_aside_and_made_again(whole, copy, which):
    file = parts(copy)[which]
    file.write_bytes(file.read_bytes()[:-100])
    with (
        pytest.warns(UserWarning, match="are missing: run again"),
        pytest.warns(UserWarning, match=r"is damaged .* set aside"),
    ):
        draws = sample(directory=copy)
    assert_same(draws, whole)
    assert file.with_name(file.name + ".damaged").exists()
    assert_same(sample(directory=copy), whole)


@pytest.mark.parametrize("gone", [[-1], [-1, -2]])
def test_damaged_states_are_set_aside_and_the_chains_go_on_from_before(whole, copy, gone):
    for which in gone:
        states(copy)[which].write_bytes(b"")
    with pytest.warns(UserWarning, match="is damaged"):
        assert_same(sample(directory=copy), whole)


def test_an_altered_byte_anywhere_is_noticed_or_changes_nothing(whole, copy):
    rng = np.random.default_rng(0)
    for file in (parts(copy)[1], states(copy)[-1]):
        unharmed = file.read_bytes()
        for place in rng.choice(len(unharmed), 4, replace=False):
            altered = bytearray(unharmed)
            altered[place] ^= 1 << int(rng.integers(8))
            file.write_bytes(altered)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("warnings.warn", lambda *arguments, **options: None)
                assert_same(sample(directory=copy), whole)


def test_another_version_is_told_and_goes_on(whole, copy, monkeypatch):
    monkeypatch.setattr(chain_directory, "made_with", lambda: {"processor": "another"})
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
        def precision(self):
            return jax.enable_x64(True)

        def shapes(self):
            return jax.eval_shape(lambda: made(0)), None

    def made(i):
        numbers = {"whole": jnp.arange(3) + i, "small": jnp.float32(i), "on": jnp.array(i > 0)}
        return Carried(Tree(jax.random.key(i), numbers), Totals.none())

    with jax.enable_x64(True):
        carried = [made(0), made(5)]
    again = _unpacked(_packed(carried, Fake()), 2, Fake())
    assert jax.tree.structure(again) == jax.tree.structure(carried)
    for one, other in zip(jax.tree.leaves(again), jax.tree.leaves(carried), strict=True):
        assert one.dtype == other.dtype
        assert (one == other).all()


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
    advance, left = Chains.advance, [4]

    def interrupted(self, *arguments):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return advance(self, *arguments)

    monkeypatch.setattr(Chains, "advance", interrupted)
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
        process = start_python(CODE.format(num_samples=10**6, path=str(path)))
        while process.poll() is None and len(parts(path)) <= held:
            time.sleep(0.05)
        time.sleep(1.0)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        before, held = held, len(parts(path))
        assert held > before
    num_kept = int(states(path)[-1].stem) - 40
    assert_same(sample(num_kept + 500, directory=path), sample(num_kept + 500))
