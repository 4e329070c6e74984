"""Configurations: files and flags merged, everything that cannot be refused by name."""

import dataclasses
import re

import numpy as np
import pytest

from bnnpost.samplers.methods import METHODS, Coupled, Rejection
from bnnpost.settings import meanings
from bnnpost.sweeps import ConfigError, SweepConfig, load_config, load_grid
from bnnpost.sweeps.config import shipped_configs
from bnnpost.sweeps.keys import SweepKeys
from bnnpost_cli.sample import sample
from bnnpost_cli.sweep_run import command as run


def test_flags_go_on_top_of_a_file(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('activation = "relu"\nwidths = [8, 16]\nseed = 3\n')
    config = load_config(file, {"seed": 4, "depth": 3})
    assert (config.activation, config.widths, config.seed, config.depth) == ("relu", (8, 16), 4, 3)
    assert config.num_train == SweepConfig().num_train


@pytest.mark.parametrize("name", shipped_configs())
def test_shipped_configurations_load_by_name(name):
    assert load_grid(name, {}).widths


def test_the_diabetes_configuration_is_the_standard_problem():
    config = load_config("diabetes", {})
    expected = SweepConfig()
    assert config == expected
    assert config.noise_std == pytest.approx(np.sqrt(0.1), rel=1e-15)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"witdhs": [4]}, "did you mean widths"),
        ({"widths": [4, 0]}, "widths: expected at least 1, got 0"),
        ({"widths": []}, "widths"),
        ({"widths": [4, 4]}, "widths"),
        ({"widths": [4.5]}, "list of whole numbers"),
        ({"depth": 0}, "depth: expected at least 1"),
        ({"depth": True}, "depth: expected a whole number"),
        ({"activation": "rellu"}, "did you mean relu"),
        ({"noise_std": 0.0}, "noise_std to be positive"),
        ({"noise_std": -1.0}, "noise_std to be positive"),
        ({"noise_std": "small"}, "noise_std: expected a number"),
        ({"w_std": -1.0}, "w_std"),
        ({"num_samples": 0}, "num_samples"),
        ({"num_proposals": 10}, "num_proposals: expected at least 200"),
        ({"max_proposals": 0}, "max_proposals"),
        ({"space": "wide"}, "space: expected one of"),
        ({"precision": "half"}, "precision: expected one of"),
        ({"standardise": 1}, "standardise: expected true or false"),
    ],
)
def test_bad_values_are_refused_by_name(values, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        load_config(None, values)


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no configuration file"):
        load_config(tmp_path / "none.toml", {})
    broken = tmp_path / "broken.toml"
    broken.write_text("widths = [4")
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(broken, {})


def test_digest_changes_with_every_setting():
    base = SweepConfig()
    changed = {"data": "nile", "seed": 1, "noise_std": 0.5, "widths": (4,)}
    changed |= {"method": Rejection(collapse=False)}
    digests = {dataclasses.replace(base, **{k: v}).digest() for k, v in changed.items()}
    assert len(digests | {base.digest()}) == len(changed) + 1
    assert SweepConfig().digest() == base.digest()


def test_every_key_has_its_flag_with_its_default():
    of_sample, of_run = ({one.name: one for one in command.params} for command in (sample, run))
    every = {**of_sample, **of_run}
    of_methods = [(kind, of_sample) for kind in METHODS.values()]
    of_methods += [(kind, of_run) for kind in (Rejection, Coupled)]
    for kind, params in ((SweepKeys, every), *of_methods):
        for name, told in meanings(kind).items():
            if not told.group:
                continue
            first = meanings(Rejection).get(name, told)  # of several methods
            assert first.help in params[name].help
            default = getattr(kind, name)
            if default is not None and told.shown is None and name != "widths":
                assert f"[default: {default}]" in params[name].help


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("activation = relu", 'words are in quotes: activation = "relu"'),
        ("depth = [1, 2]", r"the table \[grid\]"),
        ('activation = ["relu", "erf"]', r"the table \[grid\]"),
        ("noise_std = [0.1, 0.3]", r"the table \[grid\]"),
        ("widths = [1, 2.5]", "expected a list of whole numbers, got .*2.5.$"),
        ("depth = ", "cannot read the configuration .*column [0-9]+.$"),
    ],
)
def test_slips_of_toml_are_told_with_the_cure(tmp_path, text, said):
    (tmp_path / "slip.toml").write_text(text + "\n")
    with pytest.raises(ConfigError, match=said):
        load_config(tmp_path / "slip.toml", {})
