"""`make notebooks` stores what a notebook shows, and leaves one alone that fails or warns."""

import base64
import io
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

from tests.notebooks import rebuild
from tests.notebooks.books import pictures, printed, read

SHOWING = """\
import matplotlib.pyplot as plt
print("one")
print("two", flush=True)
plt.plot([1, 2])
plt.show()"""


@pytest.fixture
def rebuilding(tmp_path, monkeypatch):
    """Calls the command on a file of these cells of code, the bytes of which it returns."""

    def command(*sources):
        path = tmp_path / "book.ipynb"
        book = new_notebook(cells=[new_markdown_cell("# Title"), *map(new_code_cell, sources)])
        nbformat.write(book, path)
        monkeypatch.setattr(sys, "argv", ["rebuild", str(path)])
        return path, path.read_bytes(), rebuild.main

    return command


@pytest.mark.slow
def test_outputs_are_stored(rebuilding):
    path, _, run = rebuilding("x = 1", SHOWING)
    run()
    book = read(path)
    assert printed(book) == "one\ntwo\n"
    assert [len(cell.outputs) for cell in book.cells[1:]] == [0, 2]
    (png,) = pictures(book)
    assert Image.open(io.BytesIO(base64.b64decode(png))).mode == "P"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import warnings; warnings.warn('careful')", "careful"),
        ("open('left.txt', 'w').close()", "left.txt"),
    ],
)
@pytest.mark.first
def test_what_goes_wrong_leaves_the_file(rebuilding, source, said):
    path, before, run = rebuilding("print(1)", source)
    with pytest.raises(Exception, match=said):
        run()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
