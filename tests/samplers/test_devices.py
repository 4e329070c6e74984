"""Blocks spread over 1, 2 and 8 devices give the same draws, and these the same networks."""

import json
import os
import subprocess

import numpy as np
import pytest

import bnnpost
from tests import processes
from tests.samplers.cases import X_TEST, Case
from tests.samplers.small_blocks import sample

NUM_DEVICES = 8
CODE = """
import json
from unittest import mock
import jax
from tests.samplers import test_devices
devices = jax.local_devices()
assert len(devices) == 8
for number in (1, 2, 8):
    with mock.patch.object(jax, "local_devices", lambda backend=None: devices[:number]):
        print(json.dumps(test_devices.made({bound!r}, None)), flush=True)
with mock.patch.object(jax, "local_devices", lambda backend=None: devices[:2]):
    print(json.dumps(test_devices.made({bound!r}, {path!r}, networks=True)), flush=True)
"""
CASES = {"collapsed": Case(), "auxiliary": Case(width=16, depth=1, activation="erf")}


def some(bound, num_samples, directory):
    """Draws by one of the strict bounds."""
    return sample(num_samples, posterior=CASES[bound].posterior(), bound=bound, directory=directory)


def made(bound, directory, networks=False):
    """Draws, and what is made again from them, as plain data."""
    draws = some(bound, 300, directory)
    found = {
        "numbers": draws.proposal_numbers.tolist(),
        "num_proposals": draws.info.num_proposals,
        "log_evidence": draws.info.log_evidence,
    }
    if networks:
        found["predictions"] = draws.predict(X_TEST).tolist()
        found["parameters"] = [layer.weights.tolist() for layer in draws.parameters(0)]
        found["function"] = draws.function(0)(X_TEST).tolist()
    return found


@pytest.fixture(scope="module", params=CASES)
def here(request, tmp_path_factory):
    """On this process's one device: a run whose first half was made here."""
    path = tmp_path_factory.mktemp("runs") / "run"
    some(request.param, 150, path)
    return path, made(request.param, None, networks=True), request.param


@pytest.fixture(scope="module")
def elsewhere(here):
    """In a process with eight devices, on 1, 2 and 8 of them; then the run gone on with on two."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={NUM_DEVICES}"
    code = CODE.format(path=str(here[0]), bound=here[2])
    process = processes.start("-c", code, variables={"XLA_FLAGS": flags})
    try:
        out, err = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1, 2, 3], ids=["1", "2", "8", "2, begun on 1"])
def test_the_number_of_devices_chooses_nothing(here, elsewhere, which):
    one, other = here[1], elsewhere[which]
    assert {name: one[name] for name in other} == other
    assert len(other) == (6 if which == 3 else 3)


@pytest.mark.slow
def test_loaded_draws_are_the_same_networks(here, elsewhere):
    """After saving on two devices and loading on one."""
    assert len(elsewhere) == 4
    draws, other = bnnpost.load(here[0] / "draws.nc"), elsewhere[3]
    assert draws.proposal_numbers.tolist() == other["numbers"]
    np.testing.assert_array_equal(draws.function(0)(X_TEST), other["function"])
