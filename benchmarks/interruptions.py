"""What becomes of Ctrl-C at random moments of `bnnpost sample`, and where Python alone handles it.

Of rejection, and of chains, whose computations go on in XLA's threads. Each moment in a fresh
process that begins a run or goes on with one, two of them at the same time. Interrupted is
as documented: exit code 130 and one line. Lost: it goes on for half a minute more.

    python benchmarks/interruptions.py [rejection, nuts, hmc, pcn, slice …]      # default: all
"""

import collections
import concurrent.futures
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROUNDS = 60
PATIENCE = 30.0
PROBLEM = ["--num-train", "3", "--num-test", "2", "--noise-std", "0.5", "--width", "8"]
# More draws than there is time for, and seconds until the latest moment.
CHAINS = ("nuts", "hmc", "pcn", "slice")
COMMANDS = {
    "rejection": ([*PROBLEM, "--num-samples", "10000000"], 7.0),
    **{name: ([*PROBLEM, "--method", name, "--num-samples", "1000000"], 14.0) for name in CHAINS},
}
# What is done differently, in a line of Python.
BNNPOST, ALONE, TORN = "bnnpost", "Python alone", "interpreter torn down"
CHANGES = {
    BNNPOST: "pass",
    ALONE: "failures.stoppable = contextlib.nullcontext; main.end_at_once = sys.exit",
    TORN: "main.end_at_once = sys.exit",
}
COMPARED = {"rejection": (BNNPOST, ALONE), "nuts": (BNNPOST, TORN)}
COMPARED |= dict.fromkeys(CHAINS[1:], (BNNPOST,))
BEGIN = """
import contextlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from bnnpost_cli import failures, main
{change}
print("begins", flush=True)
main.main()
"""


class Outcome(NamedTuple):
    """What became of one Ctrl-C, and seconds until the process was over."""

    what: str
    seconds: float


def outcome(command: str, kind: str, out: Path, wait: float) -> Outcome:
    """What becomes of Ctrl-C so many seconds after the command has begun."""
    arguments = ["sample", *COMMANDS[command][0], "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN.format(change=CHANGES[kind]), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(wait)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Outcome("lost", PATIENCE)
    seconds = time.monotonic() - sent
    # Python ends itself by the signal, a shell's 130, where it came while a text was executed.
    if process.returncode in (130, -signal.SIGINT) and "Traceback" not in said:
        return Outcome("interrupted", seconds)
    return Outcome(f"exit code {process.returncode}", seconds)


def outcomes(command: str, kind: str, folder: Path, rounds: int, seed: int = 0) -> list[Outcome]:
    """Of so many moments; every fifth begins a new run."""
    waits = np.random.default_rng(seed).uniform(0.05, COMMANDS[command][1], rounds)
    runs = [folder / f"{command} {kind} {number // 5}" for number in range(rounds)]
    return [outcome(command, kind, run, wait) for run, wait in zip(runs, waits, strict=True)]


def main() -> None:
    for command in sys.argv[1:] or COMPARED:
        kinds = COMPARED[command]
        with tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor() as both:
            found = both.map(
                lambda kind: outcomes(command, kind, Path(name), ROUNDS),  # noqa: B023 - used here
                kinds,
            )
            for kind, one in zip(kinds, found, strict=True):
                counts = collections.Counter(each.what for each in one).most_common()
                seconds = [each.seconds for each in one]
                print(
                    f"{command}, {kind}: {', '.join(f'{n} {what}' for what, n in counts)}; over "
                    f"after {np.median(seconds):.2f} s in the middle, {max(seconds):.2f} s at most"
                )


if __name__ == "__main__":
    main()
