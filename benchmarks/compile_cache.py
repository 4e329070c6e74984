"""What keeping compiled programs saves a sweep: fresh processes with an empty and a filled cache.

diabetes(5, 5), two erf layers, one width a run: draws, comparison and first-order theory. Each row
is a process of its own; its seconds, and those of all cores, are of the run without imports. New
programs: entries that the run added to the cache, so that none means that a setting is an argument
of the programs. Results must be the same to the last bit, also with the cache off and with every
entry damaged, and two processes may fill one cache at the same time.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bnnpost.sweeps.programs import silence_cache

BASE = {"widths": [64], "num_samples": 200, "num_proposals": 10_000}
ROWS = [
    ("empty cache", {}),
    ("the same again", {}),
    ("another seed", {"seed": 1}),
    ("another order of rows", {"split_seed": 1}),
    ("another noise_std", {"noise_std": 0.5}),
    ("other w_std and b_std", {"w_std": 1.2, "b_std": 0.2}),
    ("another width", {"widths": [128]}),
    ("that width again", {"widths": [128]}),
]
_SETTINGS = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def one_run(changes: str) -> None:
    """Run in this process, and print seconds and a digest of the draws and distances."""
    import tempfile
    import time

    from bnnpost.storage import dataset_digest
    from bnnpost.sweeps import run_grid
    from bnnpost.sweeps.grid import grid_of

    silence_cache()
    grid = grid_of({**BASE, **json.loads(changes)})
    with tempfile.TemporaryDirectory() as folder:
        start, cpu_start = time.perf_counter(), time.process_time()
        tree = run_grid(grid, f"{folder}/run").cells[0].tree
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    parts = [tree[g].to_dataset() for g in tree.groups if g != "/sampling"]
    digests = [dataset_digest(part.drop_attrs()) for part in parts]
    print(json.dumps({"seconds": seconds, "cpu": cpu, "digest": digests}))


def start(cache: str | None, changes: dict[str, object]) -> subprocess.Popen[str]:
    """A process of its own."""
    rest = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_COMPIL", "JAX_PERSIST"))}
    given = {} if cache is None else {"JAX_COMPILATION_CACHE_DIR": cache, **_SETTINGS}
    return subprocess.Popen(
        [sys.executable, __file__, json.dumps(changes)],
        env={**rest, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: "subprocess.Popen[str]") -> dict[str, object]:
    """What it printed; anything on stderr is printed here, as users would see it."""
    out, err = process.communicate()
    if process.returncode:
        raise RuntimeError(err)
    if err.strip():
        print(f"  on stderr: {err.strip().splitlines()[0]}")
    found: dict[str, object] = json.loads(out.splitlines()[-1])
    return found


def entries(cache: str) -> list[Path]:
    """Programs in a cache."""
    return list(Path(cache).glob("*-cache"))


def damage(cache: str, cut: bool) -> None:
    """Cut off every entry, or turn over bits in the middle of it."""
    for path in entries(cache):
        content = bytearray(path.read_bytes())
        half = len(content) // 2
        if cut:
            path.write_bytes(content[:half])
        else:
            content[half : half + 64] = bytes(255 - b for b in content[half : half + 64])
            path.write_bytes(content)


def main() -> None:
    found: dict[str, list[object]] = {}
    with tempfile.TemporaryDirectory() as cache:
        cold = 0.0
        print(f"{'run':<34} {'seconds':>8} {'of cores':>9} {'of empty':>9} {'new programs':>13}")
        for name, changes in ROWS:
            before = len(entries(cache))
            one = result(start(cache, changes))
            seconds, cpu = (float(str(one[key])) for key in ("seconds", "cpu"))
            cold = cold or cpu
            new = len(entries(cache)) - before
            row = f"{name:<34} {seconds:>8.1f} {cpu:>9.1f} {cpu / cold:>9.2f} {new:>13}"
            print(row, flush=True)
            found.setdefault(json.dumps(changes), []).append(one["digest"])
        size = sum(path.stat().st_size for path in entries(cache))
        print(f"the cache: {len(entries(cache))} programs, {size / 1e6:.1f} MB")
        for name, cut in (("every entry cut off", True), ("bits of every entry changed", False)):
            damage(cache, cut)
            one = result(start(cache, {}))
            seconds, cpu = (float(str(one[key])) for key in ("seconds", "cpu"))
            print(f"{name:<34} {seconds:>8.1f} {cpu:>9.1f} {cpu / cold:>9.2f}", flush=True)
            found["{}"].append(one["digest"])
    found["{}"].append(result(start(None, {}))["digest"])
    with tempfile.TemporaryDirectory() as cache:
        both = [start(cache, {}) for _ in range(2)]
        found["{}"] += [result(process)["digest"] for process in both]
    same = all(one == digests[0] for digests in found.values() for one in digests)
    print(f"all results of the same run are the same to the last bit: {same}")


if __name__ == "__main__":
    one_run(sys.argv[1]) if len(sys.argv) > 1 else main()
