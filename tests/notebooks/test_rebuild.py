"""`make notebooks` stores what a notebook shows, and leaves one alone that fails or warns."""

import base64
import io
import sys

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image, ImageColor

from bnnpost import plots
from tests.notebooks import rebuild
from tests.notebooks.books import pictures, printed, read
from tests.notebooks.comparing import pixels
from tests.notebooks.rebuild import with_few_colours

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


def test_curves_keep_their_colours_beside_a_map(monkeypatch):
    names = (plots.BLUE, plots.VERMILION, plots.GREEN, plots.OCHRE, plots.PURPLE, plots.MUTED)
    colours = np.array([ImageColor.getrgb(name) for name in names])
    # Curves of three pixels, faded to white at their edges, below a map of many colours.
    across = np.linspace(0, 1, 400)[:, None]
    drawn = np.full((300, 400, 3), 255.0)
    drawn[:150] = across * colours[0] + (1 - across) * colours[1]
    for row, colour in zip(range(160, 280, 20), colours, strict=True):
        for off, share in ((-2, 0.3), (-1, 1), (0, 1), (1, 1), (2, 0.6)):
            drawn[row + off] = share * colour + (1 - share) * 255

    def farthest():
        few = pixels(with_few_colours(png_of(drawn)))
        return np.abs(few[160:280:20, 0] - colours).max()

    assert farthest() <= 12
    monkeypatch.setattr(rebuild, "COLOURS", 12)
    assert farthest() > 20


def png_of(drawn):
    """Colours [row, column, channel] as PNG in base64."""
    file = io.BytesIO()
    Image.fromarray(drawn.astype(np.uint8)).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()
