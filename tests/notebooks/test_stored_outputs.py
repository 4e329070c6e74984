"""Notebooks are kept with outputs: those of their present code, small, and of no one moment."""

import re

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.notebooks.books import (
    NAMES,
    PATHS,
    code_cells,
    outputs,
    pictures,
    printed,
    read,
    sources_digest,
)
from tests.notebooks.rebuild import DIGEST, KERNEL

FIGURES = {
    "1_first_look": 2,
    "2_convergence": 2,
    "3_own_priors": 3,
    "4_is_hmc_right": 2,
    "5_classification": 2,
    "6_attention": 2,
    "7_fifty_points": 2,
    "8_learning_rates": 2,
    "9_deep_linear": 2,
    "10_points_and_units": 2,
    "11_more_data": 3,
    "12_moving_away": 2,
}
MOST_BYTES, MOST_BYTES_TOGETHER = 210_000, 1_200_000
METADATA = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
# Folders of a machine, addresses in its memory, times.
OF_A_MOMENT = re.compile(
    r"""(?:^|[\s'"(])(?:/\w+/|~/|[A-Z]:\\)|0x[0-9a-f]{6}|\d (?:ms|s|min|seconds|minutes|hours)\b"""
)


def faults(book):
    """What is wrong with the outputs that a notebook holds, in words."""
    cells, texts = code_cells(book), all_texts(book)
    held = {key: value for key, value in book.metadata.items() if key != DIGEST}
    checks = {
        "of other code": book.metadata.get(DIGEST) != sources_digest(book),
        "metadata": held != METADATA or any(cell.metadata for cell in cells),
        "counts": [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)),
        "an error": bool(outputs(book, "error")),
        "a warning": any(out.name == "stderr" for out in outputs(book, "stream")),
        "nan": re.search(r"\bnan\b", texts) is not None,
        "of a moment": OF_A_MOMENT.search(texts) is not None,
    }
    return [fault for fault, there in checks.items() if there]


def all_texts(book):
    """Whatever is to be read in the outputs."""
    shown = outputs(book, "display_data") + outputs(book, "execute_result")
    read_in = [text for out in shown for kind, text in out.data.items() if kind != "image/png"]
    return "\n".join([printed(book), *read_in])


def test_all_notebooks_are_there():
    assert list(FIGURES) == NAMES


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_outputs_are_of_the_present_code_and_of_no_moment(path):
    hint = f"run `make notebooks NOTEBOOKS=notebooks/{path.name}` and commit what it writes"
    assert faults(read(path)) == [], hint


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_figures_are_there_and_small(path):
    assert len(pictures(read(path))) == FIGURES[path.stem]
    assert path.stat().st_size < MOST_BYTES


def test_all_together_are_small():
    assert sum(path.stat().st_size for path in PATHS) < MOST_BYTES_TOGETHER


def stored():
    """A notebook of two cells, as it ought to be stored."""
    printing = new_output("stream", name="stdout", text="N = 8: 0.25 \u00b1 0.01, by 3 samplers\n")
    showing = new_output("display_data", data={"text/plain": "<Figure size 640x480 with 1 Axes>"})
    book = new_notebook(
        cells=[
            new_code_cell("print(1)", execution_count=1, outputs=[printing]),
            new_code_cell("show()", execution_count=2, outputs=[showing]),
        ]
    )
    book.metadata.update(METADATA)
    book.metadata[DIGEST] = sources_digest(book)
    return book


def test_nothing_is_wrong_with_what_is_right():
    assert faults(stored()) == []


def change_a_cell(book):
    book.cells[0].source += "  # in other words"


def forget_the_digest(book):
    del book.metadata[DIGEST]


def run_twice(book):
    book.cells[1].execution_count = 3


def keep_times(book):
    book.cells[0].metadata["execution"] = {"iopub.status.busy": "2025-01-01T00:00:00Z"}


def say(text, name="stdout"):
    return lambda book: book.cells[0].outputs.append(new_output("stream", name=name, text=text))


def fail(book):
    book.cells[0].outputs.append(new_output("error", ename="ValueError", evalue="", traceback=[]))


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (change_a_cell, "of other code"),
        (forget_the_digest, "of other code"),
        (keep_times, "metadata"),
        (run_twice, "counts"),
        (fail, "an error"),
        (say("careful\n", name="stderr"), "a warning"),
        (say("mean nan\n"), "nan"),
        (say("kept in /home/me/runs\n"), "of a moment"),
        (say("<object at 0x7f3a2b1c>\n"), "of a moment"),
        (say("500 draws in 27 s\n"), "of a moment"),
    ],
)
def test_what_is_wrong_is_found(spoil, fault):
    book = stored()
    spoil(book)
    assert faults(book) == [fault]
