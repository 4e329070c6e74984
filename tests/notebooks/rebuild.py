"""Runs notebooks and stores their outputs in them: `make notebooks`.

    python -m tests.notebooks.rebuild notebooks/*.ipynb

What is stored is the same whenever and wherever it is made, up to rounding: no times, no versions,
figures with few colours. A notebook that fails, warns or leaves a file stays as it was.
"""

import argparse
import base64
import io
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output
from PIL import Image

from bnnpost.storage import write_text
from tests.notebooks.books import code_cells, outputs, read, run, sources_digest

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# Of the notebook's metadata: the code that the outputs are of.
DIGEST = "sources_sha256"
# Enough for curves, bands and maps, in a third of the bytes; fewer make two curves of one colour.
COLOURS = 64


def rebuilt(book: NotebookNode) -> NotebookNode:
    """The notebook, run now, in the form that is stored.

    Raises nbclient.exceptions.CellExecutionError where a cell fails, ValueError where one warns
    or leaves a file.
    """
    left = run(book)
    warned = "".join(out.text for out in outputs(book, "stream") if out.name == "stderr")
    if left or warned:
        raise ValueError(f"expected no warnings and no files, got {warned!r} and files {left}")
    for cell in code_cells(book):
        cell.metadata.pop("execution", None)
        cell.outputs = _merged([_stored(out) for out in cell.outputs])
    book.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}, DIGEST: sources_digest(book)}
    )
    return book


def _stored(output: NotebookNode) -> NotebookNode:
    if "image/png" in output.get("data", {}):
        output.data["image/png"] = with_few_colours(output.data["image/png"])
    return output


def _merged(parts: list[NotebookNode]) -> list[NotebookNode]:
    """What is printed comes in parts, which depend on the moment, between other outputs."""
    merged: list[NotebookNode] = []
    for part in parts:
        if part.output_type == "stream" and merged and merged[-1].output_type == "stream":
            merged[-1] = new_output("stream", name="stdout", text=merged[-1].text + part.text)
        else:
            merged.append(part)
    return merged


def with_few_colours(png: str) -> str:
    """A figure with a palette, both PNG in base64."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    method = Image.Quantize.MAXCOVERAGE
    few = picture.quantize(COLOURS, method=method, kmeans=1, dither=Image.Dither.NONE)
    file = io.BytesIO()
    few.save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def main() -> None:
    parser = argparse.ArgumentParser(description="Run notebooks and store their outputs in them.")
    parser.add_argument("notebooks", nargs="+", type=Path)
    for path in parser.parse_args().notebooks:
        print(f"== {path}", flush=True)
        write_text(path, nbformat.writes(rebuilt(read(path))) + "\n")


if __name__ == "__main__":
    main()
