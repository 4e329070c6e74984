"""How long a user waits: for commands that need no JAX, for bnnpost beside what it stands on, and
for the example of the README.

Fresh processes that take turns, median of several; each also less the time of an empty one.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bnnpost.sweeps import load_grid
from bnnpost.sweeps.grid_directory import GridDirectory

ROUNDS = 9
README = Path(__file__).parents[1] / "README.md"
COMMANDS = {
    "bnnpost --help": "['--help']",
    "bnnpost sweep --help": "['sweep', '--help']",
    "bnnpost new": "['new', '/dev/null/study.toml']",  # refused when it comes to writing
    "bnnpost zoo list": "['zoo', 'list']",
    "bnnpost completion bash": "['completion', 'bash']",
    "bnnpost sweep status": "['sweep', 'status', sys.argv[1]]",
}
CASES = {
    "nothing": "pass",
    **{
        name: f"import sys; from bnnpost_cli.main import main; main({words})"
        for name, words in COMMANDS.items()
    },
    "lazy": "import bnnpost",
    "base": "import jax, numpyro",
    "example": README.read_text().partition("```python\n")[2].partition("```")[0],
    "used": "import jax, numpyro, bnnpost as b; b.Posterior, b.rejection, b.limit, b.compare",
}


def seconds(code: str, grid: Path) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code, str(grid)],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def begun_grid(path: Path) -> Path:
    """The directory of the shipped grid, all of whose cells are begun."""
    with GridDirectory.begun(path, load_grid("grid_depths", {})) as directory:
        for cell in directory.grid.cells:
            directory.prepared(cell)
    return path


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as folder:
        grid = begun_grid(Path(folder) / "grid")
        for _ in range(ROUNDS):
            for name, code in CASES.items():
                times[name].append(seconds(code, grid))
    median = {name: statistics.median(values) for name, values in times.items()}
    for name in COMMANDS:
        print(f"{name:<24} {median[name]:.2f} s   (target < 0.5 s)")
    print(f"{'Python itself':<24} {median['nothing']:.2f} s")
    print(f"{'import bnnpost':<24} {median['lazy']:.2f} s")
    print(f"{'the example of README.md':<24} {median['example']:.1f} s")
    print(
        f"import jax, numpyro: {median['base']:.2f} s; what a posterior, draws, limit and "
        f"comparison need after them: {median['used'] - median['base']:.2f} s more   "
        "(target ≤ 0.5 s)"
    )


if __name__ == "__main__":
    main()
