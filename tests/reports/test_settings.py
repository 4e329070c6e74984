"""A configuration as TOML comes back as the same configuration."""

import json
import tomllib

import pytest

from bnnpost.reports.settings import as_toml
from bnnpost.sweeps.chain_config import ChainConfig, load_sample_config
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
        SweepConfig(data='a "b"\\c\n\t\x7fé.csv', target="y,z", max_proposals=10, noise_std=1e-7),
        SweepConfig(bound="capped", cap=-12.5, standardise=False, readout_w_std=0.3),
        SweepConfig(layers=LAYERS),
    ],
)
def test_a_sweep_comes_back(config):
    record = json.loads(json.dumps(config.as_dict()))
    assert load_config(None, tomllib.loads(as_toml(record))) == config


def test_chains_come_back(tmp_path):
    config, chain = SweepConfig(widths=(8,)), ChainConfig("nuts", num_warmup=20, max_tree_depth=3)
    (tmp_path / "config.toml").write_text(as_toml({**config.as_dict(), "chain": chain.as_dict()}))
    found, again = load_sample_config(tmp_path / "config.toml", {})
    assert found == config
    assert again.method == "nuts" and again.num_warmup == 20 and again.max_tree_depth == 3
