"""The notebooks run from a bare copy without errors or warnings, and are kept without outputs."""

import asyncio
import os
import pathlib

import nbclient
import nbformat
import pytest

import bnnpost

ROOT = pathlib.Path(bnnpost.__file__).parents[1]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in PATHS]
SECONDS_A_CELL = 300


def code_cells(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def outputs(book, kind):
    return [out for cell in code_cells(book) for out in cell.outputs if out.output_type == kind]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Every notebook after a run, by name; they run at the same time, each in its own folder."""
    books = {path.stem: nbformat.read(path, as_version=4) for path in PATHS}

    async def run(name, book):
        folder = tmp_path_factory.mktemp(name)
        resources = {"metadata": {"path": str(folder)}}
        client = nbclient.NotebookClient(book, timeout=SECONDS_A_CELL, resources=resources)
        await client.async_execute()
        return sorted(os.listdir(folder))

    async def run_all():
        return await asyncio.gather(*(run(name, book) for name, book in books.items()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        patch.delenv("MPLBACKEND", raising=False)
        written = asyncio.run(run_all())
    return books, dict(zip(books, written, strict=True))


def test_there_are_notebooks():
    assert {"convergence", "own_network"} <= set(NAMES)


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_kept_without_outputs(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert book.metadata.kernelspec.name == "python3"
    for cell in code_cells(book):
        assert cell.outputs == []
        assert cell.execution_count is None
        assert "execution" not in cell.metadata


@pytest.mark.parametrize("name", NAMES)
def test_runs_without_errors_or_warnings(executed, name):
    books, written = executed
    cells = code_cells(books[name])
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not outputs(books[name], "error")
    said = [out.text for out in outputs(books[name], "stream") if out.name == "stderr"]
    assert said == []
    assert written[name] == []


@pytest.mark.parametrize("name", NAMES)
def test_shows_figures_and_numbers(executed, name):
    book = executed[0][name]
    figures = [out for out in outputs(book, "display_data") if "image/png" in out.data]
    assert len(figures) == 2
    printed = "".join(out.text for out in outputs(book, "stream"))
    assert "nan" not in printed


def test_convergence_finds_the_rates(executed):
    printed = "".join(out.text for out in outputs(executed[0]["convergence"], "stream"))
    slopes = {line.split(":")[0]: line for line in printed.splitlines() if "theory" in line}
    for name, theory in (("tv", -1.0), ("kl", -2.0)):
        words = slopes[name].replace(",", "").replace(";", "").split()
        low, high = float(words[words.index("to") - 1]), float(words[words.index("to") + 1])
        assert low < theory < high


def test_own_network_reaches_its_limit(executed):
    printed = "".join(out.text for out in outputs(executed[0]["own_network"], "stream"))
    (line,) = (line for line in printed.splitlines() if "inside the band" in line)
    assert 90 < float(line.split()[-1].rstrip("%")) < 99
    assert "BoundExceeded: a log weight" in printed
