"""Wheel and sdist: built, looked into, and used in an environment with nothing else in it."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import bnnpost

pytestmark = pytest.mark.slow

ROOT = Path(bnnpost.__file__).parents[1]
SWEEP = "--num-train 2 --num-test 2 --widths 16,64 --num-samples 50 --num-proposals 2000"


def run(*arguments, cwd):
    """What it printed; an error with all of it if it failed."""
    done = subprocess.run(
        list(map(str, arguments)), cwd=cwd, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The files that git knows or would take, so that no earlier build is in the way."""
    folder = tmp_path_factory.mktemp("source")
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT)
    for name in listed.splitlines():
        source = ROOT / name
        if source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(source.read_bytes())
    return folder


@pytest.fixture(scope="module")
def distributions(copy, tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, copy, cwd=out)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def files_of(copy):
    """The package's files, as they are named in a wheel."""
    found = set()
    for top, name in ((copy, "bnnpost"), (copy / "cli", "bnnpost_cli")):
        for path in (top / name).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(path.relative_to(top).as_posix())
    return found


def test_wheel_and_sdist_hold_every_file(copy, distributions):
    wheel, sdist = distributions
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {name for name in archive.namelist() if ".dist-info/" not in name}
    with tarfile.open(sdist) as archive:
        in_sdist = {Path(member.name).name for member in archive if member.isfile()}
    assert in_wheel == files_of(copy)
    assert {Path(name).name for name in files_of(copy)} <= in_sdist
    run(sys.executable, "-m", "twine", "check", "--strict", *distributions, cwd=copy)


def test_the_wheel_works_with_the_declared_dependencies_alone(distributions, tmp_path, monkeypatch):
    monkeypatch.delenv("XLA_FLAGS")  # of this jaxlib, where there another may be installed
    wheel, _ = distributions
    run(sys.executable, "-m", "venv", tmp_path / "clean", cwd=tmp_path)
    python = tmp_path / "clean" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--no-input"]
    installed = subprocess.run(
        [*map(str, pip), str(wheel)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if "No matching distribution" in installed.stderr and "Retrying" in installed.stderr:
        pytest.skip("no package index can be reached")
    assert installed.returncode == 0, installed.stderr
    command = tmp_path / "clean" / "bin" / "bnnpost"
    table = run(command, "sweep", *SWEEP.split(), "--out", "run", cwd=tmp_path)
    assert "Distance of the posterior" in table
    assert (tmp_path / "run" / "results.nc").exists()
    run(command, "new", "study.toml", cwd=tmp_path)
    where = run(python, "-c", "import bnnpost; print(bnnpost.__file__)", cwd=tmp_path)
    assert str(tmp_path) in where
