"""How long a user waits: for commands that need no JAX, and for bnnpost beside what it stands on.

Fresh processes that take turns, median of several; each also less the time of an empty one.
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 9
MAIN = "from bnnpost_cli.main import main; main({})"
COMMANDS = {
    "bnnpost --help": "['--help']",
    "bnnpost sweep --help": "['sweep', '--help']",
    "bnnpost new": "['new', '/dev/null/study.toml']",  # refused when it comes to writing
    "bnnpost zoo list": "['zoo', 'list']",
    "bnnpost completion bash": "['completion', 'bash']",
}
CASES = {
    "nothing": "pass",
    **{
        name: f"from bnnpost_cli.main import main; main({words})"
        for name, words in COMMANDS.items()
    },
    "lazy": "import bnnpost",
    "base": "import jax, numpyro",
    "used": "import jax, numpyro, bnnpost as b; b.Posterior, b.rejection, b.limit, b.compare",
}


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        for name, code in CASES.items():
            times[name].append(seconds(code))
    median = {name: statistics.median(values) for name, values in times.items()}
    for name in COMMANDS:
        print(f"{name:<24} {median[name]:.2f} s   (target < 0.5 s)")
    print(f"{'Python itself':<24} {median['nothing']:.2f} s")
    print(f"{'import bnnpost':<24} {median['lazy']:.2f} s")
    print(
        f"import jax, numpyro: {median['base']:.2f} s; what a posterior, draws, limit and "
        f"comparison need after them: {median['used'] - median['base']:.2f} s more   "
        "(target ≤ 0.5 s)"
    )


if __name__ == "__main__":
    main()
