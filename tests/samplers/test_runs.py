"""A run in a directory: what is computed is kept, and gives the draws that one call would give."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.likelihoods import Likelihood
from bnnpost.runs import store
from bnnpost.runs.directory import Directory
from bnnpost.storage import OtherRun, read_record
from tests.samplers.cases import Case, X
from tests.samplers.small_blocks import assert_same, block_files, sample
from tests.samplers.user_likelihoods import Indicator, Shifted, one_point

OPTIONS = {"strict": {}, "capped": {"bound": "capped"}, "given cap": {"bound": "capped", "cap": -5}}


@pytest.fixture(scope="module")
def whole():
    """What one call without a directory gives."""
    return sample()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    sample(directory=path)
    return path


@pytest.fixture
def copy(finished, tmp_path):
    """A finished run, to be damaged."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.mark.first
@pytest.mark.parametrize("name", OPTIONS)
def test_a_directory_changes_nothing_and_a_run_can_be_extended(name, tmp_path):
    options = OPTIONS[name]
    for num_samples in (40, 300, 300):
        draws = sample(num_samples, directory=tmp_path / "run", **options)
        assert_same(draws, sample(num_samples, **options))
    assert_same(bnnpost.load(tmp_path / "run" / "draws.nc"), draws)
    assert len(block_files(tmp_path / "run")) > 2 or name != "strict"


def test_another_processor_or_version_is_said_and_changes_nothing_here(whole, copy, monkeypatch):
    sample(directory=copy)
    monkeypatch.setattr(store, "processor", lambda: "Z80")
    with pytest.warns(UserWarning, match=r"another processor \(processor .* → Z80\): draws within"):
        assert_same(sample(directory=copy), whole)


def test_a_run_of_a_later_version_is_not_called_another_samplers(copy):
    directory = Directory(copy)
    directory.write_bound("run.json", {**read_record(copy / "run.json"), "format": "bnnpost run 9"})
    with pytest.raises(OtherRun, match="was written by another version of bnnpost"):
        sample(directory=copy)


@pytest.mark.first
@pytest.mark.parametrize("max_proposals", [100, 256, 700, 1024])
def test_a_limit_on_proposals_is_kept_and_may_be_raised(whole, tmp_path, max_proposals):
    few = sample(directory=tmp_path / "run", max_proposals=max_proposals)
    assert_same(few, sample(max_proposals=max_proposals))
    assert not few.info.complete
    assert_same(sample(directory=tmp_path / "run"), whole)
    with pytest.warns(UserWarning, match="now holds"):
        again = sample(directory=tmp_path / "run", max_proposals=max_proposals)
    assert_same(again, few)


@pytest.mark.parametrize("gone", [[0], [1, 2], [-1], range(100)])
def test_missing_blocks_are_computed_again(whole, copy, gone):
    files = block_files(copy)
    for i in gone:
        files[i].unlink() if i < len(files) else None
    assert_same(sample(directory=copy), whole)
    assert block_files(copy) == files


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "shift"),
    [(Shifted, 0.01), pytest.param(Indicator, 0.98, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("num_samples", [pytest.param(20, marks=pytest.mark.slow), 40])
def test_code_that_changed_since_the_run_began_is_noticed(tmp_path, kind, shift, num_samples):
    """Whether more draws are wanted or not, and however little a likelihood was edited."""

    def posterior(likelihood):
        return bnnpost.Posterior(Case().posterior().network, likelihood, X, Case().targets)

    few = sample(15, posterior=posterior(kind()), directory=tmp_path / "run")
    more = sample(20, posterior=posterior(kind()), directory=tmp_path / "run")
    np.testing.assert_array_equal(more.proposal_numbers[:15], few.proposal_numbers)
    with pytest.raises(ValueError, match="other weights than when the run began"):
        sample(num_samples, posterior=posterior(kind(shift)), directory=tmp_path / "run")


def test_another_bound_is_refused(copy):
    with pytest.raises(ValueError, match=r"other settings \(bound "):
        sample(directory=copy, bound="capped")


def test_another_random_stream_is_refused(copy):
    """The same proposals would be other networks."""
    with (
        jax.threefry_partitionable(not jax.config.jax_threefry_partitionable),
        pytest.raises(ValueError, match="the same proposals are other networks"),
    ):
        sample(directory=copy)


def test_infinite_weights_are_refused():
    class Spike(Shifted):
        def log_prob(self, outputs, targets):
            return jnp.where(outputs[0, 0] > 0, jnp.inf, 0.0)

    posterior = bnnpost.Posterior(Case().posterior().network, Spike(), X, Case().targets)
    with pytest.raises(FloatingPointError, match="is infinite"):
        sample(posterior=posterior, bound="capped", cap=0.0)


def test_a_run_that_was_never_begun_starts_anew(whole, tmp_path):
    """Killed between the two files that say what is sampled."""
    sample(50, directory=tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "blocks")
    (tmp_path / "run" / "run.json").unlink()
    (tmp_path / "run" / "draws.nc").unlink()
    assert_same(sample(directory=tmp_path / "run"), whole)


@pytest.mark.slow
def test_an_error_in_a_run_keeps_what_was_computed(tmp_path):
    posterior = one_point(NaNBelow(), y=0.0)
    with pytest.raises(FloatingPointError, match="are NaN"):
        sample(500, posterior=posterior, directory=tmp_path / "run")
    allowed = {"allow_nan": True, "posterior": posterior}
    assert_same(sample(500, directory=tmp_path / "run", **allowed), sample(500, **allowed))


class NaNBelow(Likelihood):
    """No number for one output in a thousand."""

    def log_prob(self, outputs, targets):
        f = outputs[0, 0] - targets[0, 0]
        return jnp.where(f < -3, jnp.nan, -0.5 * f**2)

    def log_bound(self, targets):
        return 0.0
