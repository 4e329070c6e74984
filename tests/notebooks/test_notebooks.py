"""Which notebooks there are, and what all have."""

import nbformat
import pytest

from tests.notebooks.books import FOLDER, NAMES, PATHS, read


def test_the_list_of_notebooks_names_each():
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"({name}.ipynb)" in listed] == NAMES


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_is_a_notebook_that_ends_with_things_to_try(path):
    book = read(path)
    nbformat.validate(book)
    last = book.cells[-1]
    assert last.cell_type == "markdown"
    assert "## To try" in last.source
