"""Warnings of the library on the command line: in one line, each said once."""

import warnings

import pytest

from bnnpost_cli.failures import reported
from tests.cli.invocation import invoke


def test_a_warning_is_one_line_said_once(capsys):
    shown = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with reported():
            for text in ("first", "second", "first"):
                warnings.warn(text, UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "bnnpost: warning: first\nbnnpost: warning: second\n"
    assert warnings.showwarning is shown


def test_what_other_packages_plan_is_not_said(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with reported():
            warnings.warn("next year", FutureWarning, stacklevel=1)
            warnings.warn("now", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "bnnpost: warning: now\n"


@pytest.mark.parametrize(
    ("rows", "what"), [("1,5\n2,5\n3,5\n", "targets"), ("1,4\n1,5\n1,6\n", "inputs")]
)
@pytest.mark.slow
def test_data_with_nothing_to_learn_are_said(tmp_path, rows, what):
    table = tmp_path / "mine.csv"
    table.write_text(f"a,y\n{rows}")
    options = ("--data", table, "--target", "y", "--num-train", 2, "--num-test", 1, "--widths", 4)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        done = invoke("sweep", *options, "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count(f"mine: all {what} are the same, and there is nothing to learn") == 1
