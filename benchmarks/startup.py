"""How long a user waits: `bnnpost --help`, and `import bnnpost` beside what it stands on.

Fresh processes that take turns, median of several; each also less the time of an empty one.
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 9
CASES = {
    "nothing": "pass",
    "help": "from bnnpost_cli.main import main; main(['--help'])",
    "base": "import jax, numpyro",
    "bnnpost": "import jax, numpyro; import bnnpost",
}


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        for name, code in CASES.items():
            times[name].append(seconds(code))
    median = {name: statistics.median(values) for name, values in times.items()}
    print(
        f"bnnpost --help: {median['help']:.2f} s, of which Python itself {median['nothing']:.2f} s"
        "   (target < 0.5 s)"
    )
    print(
        f"import jax, numpyro: {median['base']:.2f} s; import bnnpost after them: "
        f"{median['bnnpost'] - median['base']:.2f} s more   (target ≤ 0.5 s)"
    )


if __name__ == "__main__":
    main()
