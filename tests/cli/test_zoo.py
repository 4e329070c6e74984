"""bnnpost zoo as a user meets it."""

import json

import numpy as np
import pytest

from bnnpost.zoo import entries
from bnnpost.zoo import zoo as references
from tests.cli.invocation import invoke
from tests.zoo.tiny import TINY, made_up


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    """One entry more, whose draws are made up."""
    monkeypatch.setattr(entries, "ENTRIES", (TINY, *entries.ENTRIES))
    monkeypatch.setattr(references, "_made", made_up)


def words_of(done):
    """What was printed in one line, wherever lines were broken."""
    return " ".join(done.stdout.split())


def test_help_opens_with_examples():
    text = invoke("zoo", "--help").stdout
    assert text.index("Example:  bnnpost zoo list") < text.index("--help")
    for name in ("list", "show", "build", "verify", "export"):
        assert name in text
        one = invoke("zoo", name, "--help").stdout
        assert f"Example:  bnnpost zoo {name}" in one
        assert one.index("Example:") < one.index("Options:")


def test_list_has_a_line_for_each():
    done = invoke("zoo", "list")
    assert done.exit_code == 0
    for entry in entries.ENTRIES:
        assert entry.name in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    found = json.loads(invoke("zoo", "list", "--json").stdout)
    assert [one["name"] for one in found["posteriors"]] == list(entries.names())


def test_build_show_and_verify(tmp_path):
    zoo = tmp_path / "zoo"
    before = invoke("zoo", "show", "tiny", "--zoo", zoo)
    assert before.exit_code == 0 and f"zoo build tiny --out {zoo}" in words_of(before)
    done = invoke("zoo", "build", "tiny", "--out", zoo)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split() == [str(zoo / "tiny.nc")] and "made up" in done.stderr
    assert {path.name for path in zoo.glob("[!.]*")} == {"tiny.nc", "tiny.csv"}
    assert "there already" in invoke("zoo", "build", "tiny", "--out", zoo).stderr
    shown = invoke("zoo", "show", "tiny", "--zoo", zoo).stdout
    for words in ("two points", "log p(y), nats  −3.25 ± 0.01", "bnnpost 0.1.0"):
        assert words in shown
    assert shown.splitlines()[-1].split() == ["ok", "halves", "0.400", "above", "0.001", "p-value"]
    found = json.loads(invoke("zoo", "show", "tiny", "--zoo", zoo, "--json").stdout)
    assert found["description"]["name"] == "tiny" and found["record"]["checks"][0]["passed"]

    # A right candidate fails one time in a hundred, by a fixed seed.
    right = np.random.default_rng(7).normal(size=(300, 2))
    for values, code, words in ((right, 0, "PASSED"), (right + 0.6, 3, "FAILED")):
        np.savez(tmp_path / "mine.npz", f=values)
        done = invoke("zoo", "verify", tmp_path / "mine.npz", "tiny", "--zoo", zoo)
        assert done.exit_code == code, done.output
        assert done.stdout.startswith(words) and "tiny.nc" in done.stdout
        assert "\n\nnote: no values at the training inputs were given" in done.stdout
    page = tmp_path / "page.html"
    flags = ("--zoo", zoo, "--json", "--html", page)
    done = invoke("zoo", "verify", tmp_path / "mine.npz", "tiny", *flags)
    found = json.loads(done.stdout)
    assert done.exit_code == 3 and found["passed"] is False and "wrote" in done.stderr
    assert found["verdict"].startswith("FAILED: mean of all 2 values 0.")
    assert found["notes"][0].startswith("no values at the training inputs")
    assert "<h1>FAILED: mean of all 2 values 0." in page.read_text(encoding="utf-8")


def test_export_writes_each_format(tmp_path):
    zoo, out = tmp_path / "zoo", tmp_path / "out"
    done = invoke("zoo", "export", "tiny", "--format", "stan", "--zoo", zoo, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split() == [str(out / "tiny.stan"), str(out / "tiny.data.json")]
    invoke("zoo", "build", "tiny", "--out", zoo)
    for form, name in (("csv", "tiny.csv"), ("netcdf", "tiny.nc")):
        done = invoke("zoo", "export", "tiny", "--format", form, "--zoo", zoo, "--out", out)
        assert done.exit_code == 0 and str(out / name) in done.stdout.split(), done.stderr
    done = invoke("zoo", "export", "tiny", "--format", "posteriordb", "--zoo", zoo, "--out", out)
    assert done.exit_code == 0 and (out / "posteriors" / "tiny.json").exists(), done.stderr


def test_bad_input_has_a_message_and_a_documented_exit_code(tmp_path):
    zoo = tmp_path / "zoo"
    np.savez(tmp_path / "mine.npz", f=np.zeros((300, 2)))
    candidate = tmp_path / "mine.npz"
    for arguments, code, words in (
        (("show", "tinny"), 2, "did you mean tiny"),
        (("build", "tiny", "nobody", "--out", zoo), 2, "nobody"),
        (("verify", candidate, "nobody"), 2, "nobody"),
        (("verify", "tiny", candidate), 2, "the draws first"),
        (("build", "tiny", "--out", candidate), 1, "mine.npz cannot be a directory"),
        (("build", "tiny", "--out", candidate / "new"), 1, "new cannot be a directory"),
        (("verify", candidate, "tiny", "--zoo", zoo), 1, f"zoo build tiny --out {zoo}"),
        (("verify", tmp_path / "absent.npz", "tiny", "--zoo", zoo), 1, "absent.npz"),
        (("verify", candidate, "tiny", "--level", "2"), 2, "--level"),
        (("export", "tinny", "--format", "csv"), 2, "did you mean tiny"),
        (("export", "tiny", "--format", "cvs"), 2, "'csv'"),
        (("export", "tiny"), 2, "--format"),
        (("export", "tiny", "--format", "stan", "--parameters"), 2, "leave --parameters out"),
        (("export", "tiny", "--format", "csv", "--zoo", zoo), 1, f"zoo build tiny --out {zoo}"),
        (("export", "tiny", "--format", "stan", "--out", candidate), 1, "cannot be a directory"),
    ):
        done = invoke("zoo", *arguments)
        assert done.exit_code == code, (arguments, done.output)
        assert words in done.stderr and "Traceback" not in done.output
    assert not zoo.exists()
    zoo.mkdir()
    (zoo / "tiny.nc").write_text("my notes")
    for arguments in (("build", "tiny", "--out", zoo), ("show", "tiny", "--zoo", zoo)):
        done = invoke("zoo", *arguments)
        assert done.exit_code == 1 and "tiny.nc" in done.stderr
    assert (zoo / "tiny.nc").read_text() == "my notes"


def test_ctrl_c_during_start_up_is_no_traceback(monkeypatch, tmp_path):
    def stopped(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("bnnpost.zoo.entry", stopped)
    done = invoke("zoo", "build", "tiny", "--out", tmp_path / "zoo")
    assert done.exit_code == 130 and "bnnpost: interrupted; the same command" in done.stderr
    assert not (tmp_path / "zoo").exists()
