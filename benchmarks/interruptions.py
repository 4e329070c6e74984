"""What becomes of Ctrl-C at random moments of `bnnpost sample`, and where Python alone handles it.

Both at the same time, and each moment in a fresh process that begins a run or goes on with one.
Interrupted is as documented: exit code 130 and one line. Lost: it goes on for ten seconds more.
"""

import collections
import concurrent.futures
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROUNDS = 60
LATEST = 7.0  # seconds after the command has begun
PATIENCE = 10.0
PROBLEM = ["--num-train", "3", "--num-test", "2", "--noise-std", "0.5", "--width", "8"]
BEGIN = """
import contextlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from bnnpost_cli import failures, main
if sys.argv[1] == "Python alone":
    failures.stoppable = contextlib.nullcontext
print("begins", flush=True)
main.main(["sample", *sys.argv[2:]])
"""


def outcome(kind: str, out: Path, wait: float) -> str:
    """What became of one Ctrl-C."""
    endless = ["--num-samples", "10000000", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN, kind, *PROBLEM, *endless],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(wait)
    process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "lost"
    # Python ends itself by the signal, a shell's 130, where it came while a text was executed.
    if process.returncode in (130, -signal.SIGINT) and "Traceback" not in said:
        return "interrupted"
    return f"exit code {process.returncode}"


def outcomes(kind: str, folder: Path, waits: np.ndarray) -> collections.Counter[str]:
    """Of all moments; every fifth begins a new run."""
    return collections.Counter(
        outcome(kind, folder / f"{kind}{number // 5}", wait) for number, wait in enumerate(waits)
    )


def main() -> None:
    waits = np.random.default_rng(0).uniform(0.05, LATEST, ROUNDS)
    kinds = ("bnnpost", "Python alone")
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor() as both:
        found = both.map(lambda kind: outcomes(kind, Path(folder), waits), kinds)
        for kind, counts in zip(kinds, found, strict=True):
            print(f"{kind}: {', '.join(f'{n} {what}' for what, n in counts.most_common())}")


if __name__ == "__main__":
    main()
