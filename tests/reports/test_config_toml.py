"""A configuration as TOML comes back as the same configuration."""

import json
import tomllib

import pytest

from bnnpost.reports.config_toml import as_toml
from bnnpost.samplers.methods import Chains, Coupled, Rejection
from bnnpost.sweeps.config import SweepConfig, load_config

LAYERS = (
    {"type": "Dense", "width": 8, "W_std": 1.5},
    {"type": "Relu"},
    {"type": "Dense", "b_std": 0.1},
)


@pytest.mark.parametrize(
    "config",
    [
        SweepConfig(),
        SweepConfig(data='a "b"\\c\n\t\x7fé.csv', target="y,z", noise_std=1e-7),
        SweepConfig(method=Rejection(max_proposals=10)),
        SweepConfig(
            method=Rejection(bound="capped", cap=-12.5), standardise=False, readout_w_std=0.3
        ),
        SweepConfig(method=Coupled(lag=3, kernel="pcn")),
        SweepConfig(method=Chains(kernel_name="nuts", num_warmup=20, max_tree_depth=3)),
        SweepConfig(layers=LAYERS),
    ],
)
def test_a_sweep_comes_back(config):
    record = json.loads(json.dumps(config.as_dict()))
    assert load_config(None, tomllib.loads(as_toml(record))) == config
