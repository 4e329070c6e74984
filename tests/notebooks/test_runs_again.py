"""Run again, each notebook gives what is stored in it; what compares the two finds differences."""

import base64
import functools
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.notebooks.books import NAMES, PATHS, read
from tests.notebooks.comparing import OTHER_CHAINS, SAME_DRAWS, differences
from tests.notebooks.rebuild import rebuilt, with_few_colours

OF_CHAINS = {"4_is_hmc_right"}


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_gives_what_is_stored(path):
    tolerance = OTHER_CHAINS if path.stem in OF_CHAINS else SAME_DRAWS
    found = differences(read(path), rebuilt(read(path)), tolerance)
    assert not found, "\n".join(found)


@functools.cache
def figure(turn=1.0, colour="C0", label="sine", dots=0.5, height=3.0, curves=19):
    """One of twenty curves is the one that may be another; a figure as notebooks store it."""
    drawn, axes = plt.subplots(figsize=(8, height), dpi=110)
    x = np.linspace(-4, 4, 81)
    for phase in np.linspace(0, 3, curves):
        axes.plot(x, np.sin(x + phase), color="C0", alpha=0.5, linewidth=0.9)
    axes.plot(x, 2 * np.sin(turn * x), color=colour, alpha=0.5, linewidth=0.9)
    axes.plot([1.0], [dots], "o", color="C1")
    axes.set(xlabel=label)
    file = io.BytesIO()
    drawn.savefig(file, format="png")
    plt.close(drawn)
    return with_few_colours(base64.b64encode(file.getvalue()).decode())


def book(text="width  16: 0.425 ± 0.010\nwidth 256: 0.4271 ± 0.0080\n", **drawn):
    shown = {"image/png": figure(**drawn), "text/plain": "<Figure size 880x330 with 1 Axes>"}
    cell = new_code_cell(outputs=[])
    if text:
        cell.outputs.append(new_output("stream", name="stdout", text=text))
    cell.outputs.append(new_output("display_data", data=shown))
    return new_notebook(cells=[new_code_cell(), cell])


@pytest.fixture(scope="module")
def stored():
    return book()


@pytest.mark.parametrize(
    "text",
    [
        "width  16: 0.425 ± 0.010\nwidth 256: 0.4271 ± 0.0080\n",
        "width  16: 0.424 ± 0.011\nwidth 256: 0.4272 ± 0.0079\n",
    ],
)
def test_rounding_is_no_difference(stored, text):
    assert differences(stored, book(text, turn=1.0005, dots=0.5002)) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("width  16: 0.425 ± 0.010\n", "cell 2: expected text"),
        ("width  16: 0.425 ± 0.010\nwidth 256: 0.4371 ± 0.0080\n", "cell 2: expected text"),
        ("width  16: 0.425 ± 0.013\nwidth 256: 0.4271 ± 0.0080\n", "cell 2: expected text"),
        ("width  16: 0.425 ± 0.010\nWidth 256: 0.4271 ± 0.0080\n", "cell 2: expected text"),
        (None, "cell 2: expected outputs"),
    ],
)
def test_other_words_and_numbers_are_found(stored, text, said):
    (found,) = differences(stored, book(text))
    assert found.startswith(said)


@pytest.mark.parametrize(
    "drawn",
    [{"turn": 1.02}, {"colour": "C2"}, {"label": "cosine"}, {"dots": 0.6}],
    ids=lambda drawn: next(iter(drawn)),
)
def test_another_figure_is_found(stored, drawn):
    (found,) = differences(stored, book(**drawn))
    assert "a figure differs" in found


def test_a_figure_of_another_size_is_found(stored):
    (found,) = differences(stored, book(height=3.1))
    assert "pixels" in found


def test_other_chains_are_no_difference_but_other_pictures_are(stored):
    text = "width  16: 0.395 ± 0.010\nwidth 256: 0.4271 ± 0.0080\n"
    assert differences(stored, book(text, turn=1.1), OTHER_CHAINS) == []
    (found,) = differences(stored, book(text, curves=5), OTHER_CHAINS)
    assert "a figure differs" in found
