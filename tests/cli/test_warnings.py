"""Warnings of the library on the command line: in one line, each said once."""

import warnings

from bnnpost_cli.failures import reported


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
