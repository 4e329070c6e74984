"""Configurations and flags that cannot be meant: each refused in one line, exit code 1 or 2."""

import io
import json
import zipfile

import numpy as np
import pytest

from tests.cli.invocation import invoke
from tests.hostile.watch import check_clear, in_time

KERNEL = ("kernel", "--num-train", 2, "--num-test", 2)
FORECAST = ("forecast", "--num-train", 2, "--num-test", 2, "--widths", 4)
SAMPLE = ("sample", "--num-train", 2, "--num-test", 2, "--out", "run")
HUGE = "9" * 400


def flags(*words, command=KERNEL):
    return lambda: (*command, *words)


def toml(text, *command):
    def written():
        write("c.toml", text)
        return (*(command or KERNEL), "--config", "c.toml")

    return written


def network(text, name="n.json"):
    def written():
        write(name, text)
        return (*KERNEL, "--network", name)

    return written


def code(module, text, name="net"):
    def written():
        write(f"{module}.py", text)
        return (*KERNEL, "--network", f"{module}:{name}")

    return written


def data(make, name):
    def written():
        make(name)
        target = ("--target", "y") if name.endswith("csv") else ()
        return ("kernel", "--num-train", 1, "--num-test", 1, "--data", name, *target)

    return written


def write(name, text):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


def wide(name):
    columns = ",".join(f"c{i}" for i in range(10**6))
    row = ",".join("1" for _ in range(10**6))
    write(name, f"{columns},y\n{row},1\n{row},2\n{row},3\n")


def header_of(shape):
    """An archive whose x says that it has this shape, in a file of a few bytes."""

    def make(name):
        text = repr({"descr": "<f8", "fortran_order": False, "shape": shape}).encode()
        text += b" " * (-(len(text) + 11) % 64) + b"\n"
        member = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(80)
        targets = io.BytesIO()
        np.save(targets, np.arange(3.0))
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr("x.npy", member)
            archive.writestr("y.npy", targets.getvalue())

    return make


def bomb(shape):
    def make(name):
        np.savez_compressed(name, x=np.zeros(shape), y=np.arange(3.0))

    return make


def nested(depth):
    layers = [{"type": "Dense"}]
    for _ in range(depth):
        layers = [{"type": "Residual", "branch": layers}]
    return json.dumps(layers)


GRID = f"widths = [4]\n[grid]\nseed = {list(range(400))}\nsplit_seed = {list(range(250))}\n"
FLAGS = {
    "seed 2^64": (flags("--seed", 2**64), "seed: expected at most 18446744073709551615"),
    "seed 2^64 of a forecast": (flags("--seed", 2**64, command=FORECAST), "seed: expected at most"),
    "seed negative": (flags("--seed", -1), "seed: expected at least 0, got -1"),
    "seed of 400 digits": (flags("--seed", HUGE), "seed: expected .* 400 digits|401 digits"),
    "seed a word": (flags("--seed", "now"), "valid integer"),
    "split seed 2^64": (flags("--split-seed", 2**64), "split_seed: expected at most"),
    "split seed negative": (flags("--split-seed", -1), "split_seed: expected at least 0"),
    "verify's seed": (
        lambda: ("verify", "a.npz", "run", "--seed", 2**70),
        "not in the range 0<=x<=18446744073709551615",
    ),
    "width of 400 digits": (flags("--widths", HUGE), "widths: expected at most"),
    "width 1e12": (flags("--width", 10**12), "widths: expected at most"),
    "width of 5,000 digits": (flags("--widths", "9" * 5000), "whole numbers with commas"),
    "widths for one": (flags("--widths", "4,8", command=SAMPLE), "expected one width"),
    "width a word": (flags("--width", "wide", command=SAMPLE), "expected one width"),
    "depth of 400 digits": (flags("--depth", HUGE), "depth: expected at most"),
    "depth 5,000": (flags("--depth", 5000), "depth to be at most 250"),
    "w_std of 400 digits": (flags("--w-std", HUGE), "w_std to be positive and finite"),
    "w_std 1e-300": (flags("--w-std", "1e-300"), "w_std to be from 1e-30"),
    "law of 400 digits": (flags("--w-std", f"HalfNormal({HUGE})"), "w_std: .* no finite number"),
    "law nested": (flags("--w-std", "(" * 500 + ")" * 500), "expected a law such as"),
    "prior of 400 digits": (flags("--weight-prior", f"Laplace(0,{HUGE})"), "no finite number"),
    "b_std NaN": (flags("--b-std", "nan"), "b_std to be a number, got NaN"),
    "noise of 400 digits": (flags("--noise-std", HUGE), "noise_std to be positive and finite"),
    "noise 1e-300": (flags("--noise-std", "1e-300", command=FORECAST), "noise_std to be from"),
    "noise 1e300": (flags("--noise-std", "1e300", command=FORECAST), "noise_std to be from"),
    "noise infinite": (flags("--noise-std", "inf"), "noise_std to be positive and finite"),
    "rows of 400 digits": (flags("--num-train", HUGE), "num_train: expected at most"),
    "rows 1e18": (flags("--num-test", 10**18), "there are only 442 rows"),
    "samples of 400 digits": (
        flags("--num-samples", HUGE, command=FORECAST),
        "num_samples: expected at most",
    ),
    "proposals of 400 digits": (flags("--max-proposals", HUGE, command=SAMPLE), "max_proposals: "),
    "cap of 400 digits": (
        flags("--bound", "capped", "--cap", HUGE, command=SAMPLE),
        "cap: expected a finite number",
    ),
    "steps of 400 digits": (
        flags("--method", "hmc", "--num-steps", HUGE, command=SAMPLE),
        "num_steps: expected at most",
    ),
    "step size of 400 digits": (
        flags("--method", "hmc", "--step-size", HUGE, command=SAMPLE),
        "step_size: expected a finite number",
    ),
    "activation of 5,000 letters": (flags("--activation", "r" * 5000), "unknown activation"),
    "configuration null": (flags("--config", "a\0b"), "without null bytes"),
    "configuration of 5,000 letters": (
        flags("--config", "a" * 5000),
        "cannot read the conf|no con",
    ),
    "configuration a folder": (flags("--config", "."), "cannot read the configuration"),
    "directory null": (flags("--out", "a\0b", command=SAMPLE), "without null bytes"),
    "directory of 5,000 letters": (
        flags("--width", 4, "--out", "a" * 5000, command=SAMPLE),
        "name too long",
    ),
    "report null": (lambda: ("report", "a\0b"), "without null bytes"),
    "report a PDF": (lambda: ("report", "run", "--out", "x.pdf"), "ends in .html"),
    "data null": (flags("--data", "a\0.csv"), "without null bytes"),
    "no target": (data(lambda name: write(name, "a,b\n1,2\n"), "t.csv"), "no column is called 'y'"),
}
FILES = {
    "lists nested": (toml(f"widths = {'[' * 300}{']' * 300}"), "widths: expected a list"),
    "tables nested": (toml(f"w_std = {'{a=' * 300}1{'}' * 300}"), "nested too deeply|w_std: exp"),
    "lists nested 5,000": (toml(f"widths = {'[' * 5000}{']' * 5000}"), "nested too deeply"),
    "a number nested": (toml(f"noise_std = {'[' * 90}{']' * 90}"), "noise_std: expected a number"),
    "layers nested": (
        toml("layers = " + nested(40).replace('": ', '" = ')),
        "at most 32 deep",
    ),
    "width of 400 digits": (toml(f"widths = [{HUGE}]"), "widths: expected at most"),
    "seed of 5,000 digits": (toml(f"seed = {'9' * 5000}"), "cannot read the configuration"),
    "w_std of 400 digits": (toml(f"w_std = {HUGE}"), "w_std to be a number of double precision"),
    "noise of 400 digits": (toml(f"noise_std = {HUGE}"), "noise_std to be a number"),
    "data a number": (toml("data = 5"), "data: expected a string"),
    "a key like another": (toml("witdhs = [4]"), r"did you mean widths[^:]*\?$"),
    "grid of 100,000": (toml(GRID, "sweep", "--dry-run"), "at most 5,000 cells, got 100,000"),
    "JSON nested": (network(nested(300)), "at most 32 deep"),
    "JSON nested 20,000": (network("[" * 20000 + "]" * 20000), "nested too deeply"),
    "5,000 layers": (
        network(json.dumps([{"type": "Dense"}, {"type": "Erf"}] * 2500)),
        "at most 500 layers",
    ),
    "JSON width": (network(f'[{{"type": "Dense", "width": {HUGE}}}]'), "layer 0 .* width"),
    "JSON std": (network(f'[{{"type": "Dense", "W_std": {HUGE}}}]'), "layer 0 .* w_std"),
    "JSON NaN": (network('[{"type": "Dense", "W_std": NaN}]'), "layer 0 .* positive and finite"),
    "JSON type": (network('[{"type": ["Dense"]}]'), "type of a layer to be a word"),
    "JSON a number": (network("3"), "to hold a list of layers"),
    "JSON of zeros": (network("\0\0"), "cannot read n.json"),
    "code that raises": (
        code("raises", "def net(width, num_outputs):\n    raise RuntimeError('two\\nlines')\n"),
        r"raises\.py, line 2: RuntimeError: two lines$",
    ),
    "code that is none": (
        code("syntax", "x = 1\ndef net(width,\n    pass\n"),
        r"syntax\.py, line \d: SyntaxError: ",
    ),
    "code that fails at once": (
        code("fails", "x = 1\ny = x / 0\n"),
        r"fails\.py, line 2: ZeroDivisionError: division by zero$",
    ),
    "code that exits": (code("exits", "import sys\nsys.exit(3)\n"), r"line 2: SystemExit: 3$"),
    "code without end": (
        code("endless", "def net(width, num_outputs):\n    return net(width, num_outputs)\n"),
        r"endless\.py, line 2: RecursionError",
    ),
    "code that slips": (
        code("slips", "import bnnpost\ndef net(width, num_outputs):\n    bnnpost.mlp(width='a')\n"),
        r"slips\.py, line 3: TypeError: expected width to be a whole number, got 'a'$",
    ),
    "code that lacks a module": (code("lacks", "import no_such_thing\n"), r"lacks\.py, line 1: "),
    "code that is absent": (flags("--network", "no_such_module:net"), "cannot find"),
    "code of no name": (flags("--network", ":net"), "cannot find :net"),
    "code above": (flags("--network", "..x:net"), "cannot find ..x:net"),
    "no function": (code("number", "net = 3\n"), "no function of width and num_outputs"),
    "no network": (
        code("none", "def net(width, num_outputs):\n    return 3\n"),
        "return a network .* got int",
    ),
    "a million columns": (data(wide, "wide.csv"), "at most 200,000 columns, got 1,000,001"),
    "header of 10^10": (data(header_of((10**10,)), "h.npz"), "as many rows|by its shape, and is"),
    "header of 10^10, three rows": (data(header_of((3, 10**10)), "h.npz"), "by its shape, and is"),
}
BOMBS = {
    "2 GiB of rows": (data(bomb((2**28, 1)), "b.npz"), "as many rows as each other"),
    "2 GiB of columns": (data(bomb((3, 2**28 // 3)), "b.npz"), "at most 200,000 columns"),
}


def refused(arguments, words):
    with in_time():
        done = invoke(*arguments)
    assert done.exit_code in (1, 2), done.output
    assert not done.stdout
    # What click says of a flag comes after two lines on how the command is used.
    check_clear(done.stderr.strip().rpartition("\n\n")[2], words)


def test_there_are_sixty():
    assert len(FLAGS) + len(FILES) + len(BOMBS) >= 60


@pytest.mark.parametrize(("arguments", "words"), FLAGS.values(), ids=FLAGS)
def test_hostile_flags_are_refused(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    refused(arguments(), words)


@pytest.mark.parametrize(("arguments", "words"), FILES.values(), ids=FILES)
def test_hostile_files_are_refused(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    refused(arguments(), words)


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "words"), BOMBS.values(), ids=BOMBS)
def test_archives_that_unpack_to_gigabytes_are_refused(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    refused(arguments(), words)


def test_numbers_at_the_limits_are_taken(tmp_path, monkeypatch):
    """A command that refused everything would pass above."""
    monkeypatch.chdir(tmp_path)
    for words in (("--seed", 2**64 - 1), ("--noise-std", "1e-20"), ("--width", 2**31 - 1)):
        done = invoke(*KERNEL, *words)
        assert done.exit_code == 0, done.stderr
        assert len(done.stdout.splitlines()) == 4
