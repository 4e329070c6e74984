"""The repository's notebooks: which there are, what is in their cells, and how one is run."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import nbclient
import nbformat
from nbformat import NotebookNode

import bnnpost

ROOT = Path(bnnpost.__file__).parents[1]
FOLDER = ROOT / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"), key=lambda path: int(path.stem.split("_")[0]))
NAMES = [path.stem for path in PATHS]
SECONDS_A_CELL = 600


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(book: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def outputs(book: NotebookNode, kind: str) -> list[NotebookNode]:
    """All outputs of a kind: "stream", "display_data", "execute_result", "error"."""
    return [out for cell in code_cells(book) for out in cell.outputs if out.output_type == kind]


def printed(book: NotebookNode) -> str:
    """What all cells printed, one after another."""
    return "".join(out.text for out in outputs(book, "stream"))


def pictures(book: NotebookNode) -> list[str]:
    """Every figure, as PNG in base64."""
    shown = outputs(book, "display_data") + outputs(book, "execute_result")
    return [out.data["image/png"] for out in shown if "image/png" in out.data]


def sources_digest(book: NotebookNode) -> str:
    """SHA-256 of the code that is run, cell by cell; text between the cells is not in it."""
    sources = json.dumps([cell.source for cell in code_cells(book)])
    return hashlib.sha256(sources.encode()).hexdigest()


def run(book: NotebookNode) -> list[str]:
    """Run a notebook, which gets its outputs, in a bare folder; the files that it left there.

    It has this checkout, the CPU and its own way of drawing, whatever the caller's variables say.
    Raises nbclient.exceptions.CellExecutionError where a cell fails.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    variables = {**os.environ, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    variables.pop("MPLBACKEND", None)
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            book,
            timeout=SECONDS_A_CELL,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],  # no words on its local port
        )
        client.execute(env=variables)
        return sorted(os.listdir(folder))
