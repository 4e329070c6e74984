"""bnnpost new, completion, --debug, and what answers without loading JAX."""

import os
import re
import signal
import time
import tomllib

import click
import numpy as np
import pytest

from bnnpost.likelihoods.records import known
from bnnpost.networks import catalogue
from bnnpost.samplers.methods import Coupled
from bnnpost.settings import meanings
from bnnpost.sweeps import SweepConfig, load_config
from bnnpost.sweeps.grid import grid_of
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.problem import load_problem
from bnnpost_cli import completed
from bnnpost_cli.main import main
from tests import processes
from tests.cli.invocation import invoke

# Settings of a network that replaces the perceptron's, or that no template can guess.
OPTIONAL = {"target", "features", "readout_w_std", "readout_b_std", "weight_prior", "bias_prior"}
OPTIONAL |= {"network", "layers", "cap", "max_proposals", "likelihood"}
OPTIONAL |= {"id_column", "train_rows", "test_rows", "split_column", "test_data"}
OPTIONAL |= {"kernel", "tolerance", "lag", "max_steps"}


def commands(group=main, path=()):
    """Every command below a group, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        yield (*path, name), command


ALL = dict(commands())


def test_help_names_the_commands_and_the_exit_codes():
    said = invoke("--help").stdout
    for word in ("bnnpost sweep --config diabetes", *main.list_commands(None), "Exit codes"):
        assert word in said


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_an_example_and_debug(words):
    shown = invoke(*words, "--help").output
    assert f"Example:  {'bnnpost ' if words != ('completion',) else ''}" in shown
    assert "--debug" in shown


def test_new_writes_every_setting_with_its_default(tmp_path):
    path = tmp_path / "study.toml"
    done = invoke("new", path)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"bnnpost sweep --config {path} --dry-run\n"
    assert load_config(path, {}) == SweepConfig()
    text = path.read_text()
    for name in SweepConfig.__dataclass_fields__:
        if name != "layers":
            assert f"\n{name} = " in text or f"\n# {name} = " in text, name
    assert set(tomllib.loads(text)) >= set(SweepConfig.__dataclass_fields__) - OPTIONAL


def test_new_knows_the_columns_of_a_file(tmp_path):
    data, path = tmp_path / 'a "b".csv', tmp_path / "study.toml"
    rows = [
        "age,dose,ward,name,code,weight,effect",
        "1,2,A,x,1,,3",
        "2,1,B,y,c,7,5",
        "3,1,B,z,2,8,4",
    ]
    data.write_text("\n".join(rows) + "\n")
    done = invoke("new", path, "--data", data)
    assert done.exit_code == 0
    assert "among the features: name (another in each row, like a name of it); code (line 3" in (
        done.stderr
    )
    assert "missing cells in weight (1): 1 of 3 rows are left out" in done.stderr
    config = load_config(path, {"num_train": 1, "num_test": 1})
    assert (config.data, config.target) == (str(data), "effect")
    assert (config.features, config.id_column) == ("age,dose,ward,weight", "name")
    problem = load_problem(config)
    assert config.missing == "drop" and problem.x.shape == (1, 5)
    wrong = invoke("new", path, "--data", data, "--target", "efect", "--force")
    assert wrong.exit_code == 1 and "did you mean 'effect'?" in wrong.stderr
    assert load_config(path, {}).target == "effect"


def test_new_leaves_out_dates_identifiers_and_many_words(tmp_path):
    data, path = tmp_path / "sales.csv", tmp_path / "study.toml"
    lines = ["day,customer_id,clerk,town,age,sold"]
    towns = ("Ulm", "Bonn", "Kiel")
    for i in range(40):
        who = f"2024-{1 + i % 9:02d}-28,{900 + 3 * i},clerk {i % 7}"
        lines.append(f"{who},{towns[i % 3]},{20 + i},{i % 5}.5")
    data.write_text("\n".join(lines) + "\n")
    done = invoke("new", path, "--data", data)
    assert done.exit_code == 0, done.stderr
    for words in ("day (dates, 9 different ones", "customer_id (another in each row",
                  "clerk (7 different words in 40 rows)", "with --features"):  # fmt: skip
        assert words in done.stderr
    config, text = load_config(path, {}), path.read_text()
    assert (config.features, config.id_column) == ("town,age", "customer_id")
    assert "add its name to the list" in text and "#   clerk: 7 different words" in text
    assert "one-hot, with their levels: town (3)" in text
    path.write_text(text.replace('"town,age"', '"town,age,day"'))
    assert load_problem(load_config(path, {})).x.shape == (5, 3 + 1 + 9)
    asked = invoke("new", path, "--data", data, "--features", "clerk,age", "--force")
    assert "not among" not in asked.stderr and load_config(path, {}).features == "clerk,age"
    none = invoke("new", path, "--data", data, "--force", "--target", "town,age,sold")
    assert none.exit_code == 2 and "no column is left for features: day (dates" in none.stderr


def test_what_the_template_comments_out_can_be_used(tmp_path):
    path = tmp_path / "study.toml"
    assert invoke("new", path).exit_code == 0
    head, grid = path.read_text().split("# [grid]\n")
    settings = [line[2:] for line in head.splitlines() if re.match(r"# \w+ = ", line)]
    for name, value in tomllib.loads("\n".join(settings)).items():
        needs = {"method": "coupled"} if name in meanings(Coupled) else {}
        needs |= {"bound": "capped"} if name == "cap" else {}
        if name != "network":
            config = load_config(None, {name: value, **needs})
            of_method = name in meanings(type(config.method))
            assert getattr(config.method if of_method else config, name) is not None
    axes = tomllib.loads("\n".join(line.removeprefix("# ") for line in grid.splitlines()))
    kept = {k: v for k, v in tomllib.loads(head).items() if k not in axes}
    assert len(grid_of({**kept, "grid": axes}).cells) == 24


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["study.txt"], 2, "ends in .toml"),
        (["there.toml"], 1, "--force"),
        (["no/such/folder.toml"], 1, "no/such"),
        (["study.toml", "--data", "none.csv"], 1, "none.csv"),
        (["study.toml", "--data", "empty.csv"], 1, "is empty"),
        (["study.toml", "--data", "semi.csv"], 1, "separated by semicolons: save it with commas"),
        (["study.toml", "--data", "note.csv"], 1, "the header must be the first line"),
        (["study.toml", "--data", "good.csv", "--target", "w"], 1, "got 'A' in column 'w', line 2"),
        (["study.toml", "--data", "good.csv", "--target", "u"], 1, "no column is called 'u'"),
        (["study.toml", "--data", "winne"], 1, "did you mean 'wine'?"),
        (["study.toml", "--data", "wine", "--target", "y"], 2, "comes with its columns"),
    ],
)
def test_new_refuses(tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.toml").write_text("kept = 1\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "semi.csv").write_text("a;y\n1;2\n")
    (tmp_path / "note.csv").write_text("# mine\na,y\n1,2\n")
    (tmp_path / "good.csv").write_text("a,w,y\n1,A,2\n2,7,3\n")
    before = sorted(os.listdir())
    done = invoke("new", *arguments)
    assert done.exit_code == code
    assert words in done.stderr
    assert sorted(os.listdir()) == before
    assert (tmp_path / "there.toml").read_text() == "kept = 1\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell):
    done = invoke("completion", shell)
    assert done.exit_code == 0 and f"_BNNPOST_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bnnpost swe", "sweep"),
        ("bnnpost sweep --config dig", "digits_heads"),
        ("bnnpost sweep run digits_o", "digits_one_head"),
        ("bnnpost sample --data sin", "sine_gap"),
        ("bnnpost zoo show step", "step-erf-2x8"),
        ("bnnpost sample --method nu", "nuts"),
        ("bnnpost sweep --activation leak", "leaky_relu"),
        ("bnnpost sample --likelihood stu", "student-t"),
        ("bnnpost sweep --bound aux", "auxiliary"),
    ],
)
def test_completion_offers_names_without_loading_jax(line, offered):
    code = (
        "import sys; from bnnpost_cli.main import main\n"
        "try: main(prog_name='bnnpost')\n"
        "except SystemExit: pass\n"
        "assert 'jax' not in sys.modules"
    )
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    said = processes.output("-c", code, variables={**words, "_BNNPOST_COMPLETE": "bash_complete"})
    assert f"plain,{offered}" in said.splitlines()


def test_completion_knows_what_the_library_knows():
    assert set(completed.ACTIVATIONS) == set(catalogue.names())
    plain = {name.replace("-", "") for name in completed.LIKELIHOODS}
    assert plain == {name.lower() for name in known()}


@pytest.mark.parametrize("where", ["before", "after"])
def test_debug_shows_the_traceback(tmp_path, where):
    arguments = ["verify", tmp_path / "none.npz", tmp_path / "neither.nc"]
    plain = invoke(*arguments)
    assert plain.exit_code == 1
    assert "Traceback" not in plain.stderr and plain.stderr.count("\n") == 1
    debug = invoke("--debug", *arguments) if where == "before" else invoke(*arguments, "--debug")
    assert debug.exit_code == 1
    assert "Traceback" in debug.stderr
    assert debug.stderr.endswith(plain.stderr)


def test_an_unforeseen_error_is_one_line(monkeypatch):
    def fail(*arguments):
        raise TypeError("not foreseen")

    monkeypatch.setattr("bnnpost.sweeps.installation.summary_of_installation", fail)
    done = invoke("info")
    assert done.exit_code == 1
    assert done.stderr == (
        "bnnpost: TypeError: not foreseen (where it came from: the same command with --debug)\n"
    )


def test_ctrl_c_while_a_command_is_loaded_is_one_line(monkeypatch):
    def stopped(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("bnnpost_cli.lazy.importlib.import_module", stopped)
    done = invoke("info")
    assert done.exit_code == 130 and done.stderr == "bnnpost: interrupted\n"


@pytest.mark.slow
def test_ctrl_c_at_any_moment_of_the_start_ends_a_command():
    """JAX is being imported for most of it, and is not made to be interrupted."""
    code = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from bnnpost_cli.main import main\n"
        "print('begins', flush=True)\n"
        "main(['forecast', '--num-train', '3', '--widths', '8'])"
    )
    for wait in np.random.default_rng(0).uniform(0.05, 1.5, 20):
        process = processes.start("-c", code)
        assert process.stdout.readline() == "begins\n"
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        # Python ends itself by the signal where it came while a text was being executed.
        assert process.returncode in (130, -signal.SIGINT), (wait, said)
        assert said.splitlines()[-1] == "bnnpost: interrupted", (wait, said)
        assert "Traceback" not in said, (wait, said)


def test_a_slip_in_a_command_names_the_close_ones():
    done = invoke("swep")
    assert done.exit_code == 2
    assert "did you mean sweep?" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["sample", "--help"],
        ["--version"],
        ["zoo", "list"],
        ["new", "study.toml"],
        ["completion", "bash"],
        ["sweep", "status", "grid"],
        ["sweep", "status", "grid", "--json"],
    ],
    ids="-".join,
)
def test_what_needs_no_jax_does_not_load_it(tmp_path, arguments):
    with GridDirectory.begun(tmp_path / "grid", grid_of({"grid": {"depth": [1, 2]}})) as begun:
        begun.prepared(begun.grid.cells[0])
    code = (
        "import sys; from bnnpost_cli.main import main; main(sys.argv[1:], standalone_mode=False);"
        " heavy = {'jax', 'scipy', 'xarray', 'matplotlib', 'numpyro'} & set(sys.modules);"
        " heavy |= {'numpy'} & set(sys.modules) if '--help' in sys.argv else set();"
        " assert not heavy, heavy"
    )
    processes.output("-c", code, *arguments, cwd=tmp_path)
