"""bnnpost report: what it prints, where it writes, and what it refuses."""

import errno
import webbrowser

import pytest

from bnnpost.sweeps import SweepConfig, unit_work
from bnnpost_cli.report import write_report
from tests.cli.invocation import invoke
from tests.reports import made_up


@pytest.fixture
def run(tmp_path):
    made_up.directory(tmp_path / "run")
    return tmp_path / "run"


def test_it_prints_where_the_report_is(run, tmp_path):
    done = invoke("report", run)
    assert (done.exit_code, done.stdout) == (0, f"{run / 'report.html'}\n")
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")
    done = invoke("report", run, "--out", tmp_path / "page.html")
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'page.html'}\n")


def test_it_opens_a_browser_when_asked(run, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or False)
    assert invoke("report", run).exit_code == 0 and not opened
    done = invoke("report", run, "--open")
    assert done.exit_code == 0 and opened == [(run / "report.html").as_uri()]
    assert "no browser was found" in done.stderr


def test_errors_are_one_line(run, tmp_path):
    for arguments in ([tmp_path], [tmp_path / "absent"], [run, "--out", tmp_path / "no/page.html"]):
        done = invoke("report", *arguments)
        assert done.exit_code == 1 and done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("bnnpost: ")
    (run / "report.html").write_text("mine")
    done = invoke("report", run)
    assert done.exit_code == 1 and "is not a bnnpost report" in done.stderr
    assert (run / "report.html").read_text() == "mine"


def test_a_run_that_is_finished_does_not_fail_for_its_page(run, monkeypatch, capsys):
    def broken(run, summary):
        raise KeyError("tv")

    monkeypatch.setattr("bnnpost.reports.write", broken)
    write_report(run)
    said = capsys.readouterr().err
    assert said.startswith("bnnpost: no report was written: KeyError") and said.count("\n") == 1


def test_a_page_for_which_there_is_no_room_is_said_and_not_passed_over(run, monkeypatch):
    def full(run, summary):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bnnpost.reports.write", full)
    done = invoke("sweep", "report", run)
    assert done.exit_code == 1 and "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_whose_figures_fail_has_its_results(monkeypatch):
    def broken(tree, folder):
        raise ValueError("no such font")

    monkeypatch.setattr(unit_work, "write_figures", broken)
    tree = made_up.tree(SweepConfig(num_train=3, num_test=2, widths=(4, 64, 256), num_samples=40))
    assert unit_work._figures(tree) == ({}, "no figures were made: ValueError: no such font")
