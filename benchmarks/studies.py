"""What the shipped studies and the notebooks take: seconds and core-seconds of each, one by one.

python benchmarks/studies.py [studies] [notebooks]
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bnnpost.sweeps.shipped_studies import STUDIES

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def commands(what: str, folder: str) -> Iterator[tuple[str, list[str]]]:
    if what == "studies":
        for name in STUDIES:
            place = str(Path(folder) / name)
            yield name, [sys.executable, "-m", "bnnpost", "study", name, "--out", place]
    else:
        for file in sorted(NOTEBOOKS.glob("*.ipynb"), key=lambda f: int(f.name.split("_")[0])):
            yield file.stem, [str(Path(sys.executable).parent / "jupyter"), "execute", str(file)]


def seconds(command: list[str]) -> tuple[float, float]:
    """Wall and cores, children included."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system
    return time.perf_counter() - started, used - before.children_user - before.children_system


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for what in sys.argv[1:] or ("studies", "notebooks"):
            print(f"| {what} | s | core-s |\n|---|---|---|")
            total = 0.0
            for name, command in commands(what, folder):
                wall, cores = seconds(command)
                total += wall
                print(f"| {name} | {wall:.0f} | {cores:.0f} |", flush=True)
            print(f"| together | {total:.0f} | |")
