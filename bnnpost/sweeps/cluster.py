"""An executor that hands workers to SLURM as one job array, through submitit."""

import contextlib
import dataclasses
import math
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bnnpost.sweeps.claims import JOB_SECONDS
from bnnpost.sweeps.errors import ConfigError, WorkLeft
from bnnpost.sweeps.grid_directory import GridDirectory, Say
from bnnpost.sweeps.processes import Processes
from bnnpost.sweeps.programs import program_cache
from bnnpost.sweeps.work import Effort, is_settled, unassembled, units

JOBS = "jobs"
# Without --jobs: no more jobs than this, and none without a unit to begin with.
_MOST_JOBS = 16
# Of one job, unless it is said. One that runs out of time is put back in the queue, this often:
# it may have many units to do, of which each gets `retries` such times to itself.
_MINUTES, _TIMEOUTS = 60, 100
_SECONDS_BETWEEN_LOOKS = 0.5
_SHARED = {"cpus": "cpus_per_task", "gpus": "gpus_per_node", "name": "name"}
# Options of SLURM that submitit knows by these names; others are passed to sbatch as they are.
_OWN = (
    "partition", "account", "qos", "constraint", "exclude", "gres", "nodelist", "comment",
    "mail_type", "mail_user", "exclusive", "setup", "mem", "mem_per_cpu", "array_parallelism",
)  # fmt: skip
# The forms of sbatch: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S.
_TIMES = tuple(
    re.compile(form)
    for form in (
        r"(?P<minutes>\d+)(:(?P<seconds>\d{1,2}))?",
        r"(?P<hours>\d+):(?P<minutes>\d{1,2}):(?P<seconds>\d{1,2})",
        r"(?P<days>\d+)-(?P<hours>\d{1,2})(:(?P<minutes>\d{1,2})(:(?P<seconds>\d{1,2}))?)?",
    )
)

# In what submitit says of a job that failed, or ended without a word.
_SAYS_WHY = re.compile(r"[\w.]+(Error|Exception|Interrupt)\b|has not produced any output")


@dataclass(frozen=True)
class Cluster:
    """One job array of `jobs` workers. options: as `parameters` takes them. wait: for its end.
    keep_programs: in the folder that `program_cache` names on the machine of a job.

    Each job does what no other has claimed until nothing is left, and the last one to finish a
    cell puts its results together. A job that is preempted or out of time goes on in the queue.
    """

    options: Mapping[str, Any]
    jobs: int | None = None
    wait: bool = False
    keep_programs: bool = False

    def __call__(self, directory: GridDirectory, effort: Effort, say: Say) -> None:
        """Submit the jobs.

        Raises ConfigError for options or a cluster that are not there, WorkLeft if jobs that are
        waited for have not done it all.
        """
        left = [unit for unit in units(directory) if not is_settled(unit)]
        cells = unassembled(directory)
        if not left and not cells:
            say("nothing is left to run")
            return
        count = min(max(len(left), 1), self.jobs or _MOST_JOBS)
        executor, path = _executor(directory, self.options), str(directory.path.resolve())
        minutes = _minutes(self.options.get("time", _MINUTES))
        workers = [
            Job(path, dataclasses.replace(effort, share=(i, count)), self.keep_programs, minutes)
            for i in range(count)
        ]
        with _same_modules(), executor.batch():  # one job array
            jobs = [executor.submit(job) for job in workers]
        number = str(jobs[0].job_id).partition("_")[0]
        what = f"{len(left)} units" if left else f"the results of {len(cells)} cells"
        say(f"{count} jobs for {what}, job {number}; logs are in {executor.folder}")
        if self.wait:
            _wait(jobs, directory, say)


@dataclass(frozen=True)
class Job:
    """What one job does; on preemption it is submitted again as it is, and goes on.

    minutes: its time. A unit that takes all of it is given up after its retries.
    """

    path: str
    effort: Effort
    keep_programs: bool
    minutes: int = _MINUTES

    def __call__(self) -> None:
        def say(message: str) -> None:
            print(message, flush=True)

        # In a process of its own, so that what is killed there is put down here.
        environment = program_cache() if self.keep_programs else {}
        environment[JOB_SECONDS] = str(60 * self.minutes)
        directory = GridDirectory.read(self.path)
        with GridDirectory.begun(self.path, directory.grid) as held:
            Processes(1, environment=environment)(held, self.effort, say)

    def checkpoint(self) -> Any:
        """Called by submitit before a job is taken off."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def parameters(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of jobs as submitit's `AutoExecutor` takes them.

    time: minutes, or "M:SS", "H:MM:SS", "D-HH" or "D-HH:MM" as sbatch reads them; memory: "8GB";
    cpus, gpus: of a job; name; setup: a line or a list of them, run first in a job; partition,
    account, qos, constraint and other options of sbatch. Raises ConfigError.
    """
    given = {name.replace("-", "_"): value for name, value in options.items()}
    found: dict[str, Any] = {
        "name": "bnnpost",
        "timeout_min": _minutes(given.pop("time", _MINUTES)),
    }
    if isinstance(given.get("setup"), str):
        given["setup"] = given["setup"].splitlines()
    if "memory" in given:
        given["mem"] = given.pop("memory")
    for name, shared in _SHARED.items():
        if name in given:
            value = given.pop(name)
            found[shared] = str(value) if name == "name" else _whole(name, value)
    found |= {f"slurm_{name}": given.pop(name) for name in _OWN if name in given}
    if given:
        found["slurm_additional_parameters"] = given
    return found


def _whole(name: str, value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise ConfigError(f"slurm: expected {name} to be a whole number, got {value!r}") from None


def _minutes(value: object) -> int:
    """Whole minutes, rounded up, of a time as sbatch reads it: "30:00" is half an hour."""
    found = next(filter(None, (form.fullmatch(str(value)) for form in _TIMES)), None)
    parts = {} if found is None else {name: int(n or 0) for name, n in found.groupdict().items()}
    hours = 24 * parts.get("days", 0) + parts.get("hours", 0)
    seconds = 3600 * hours + 60 * parts.get("minutes", 0) + parts.get("seconds", 0)
    if seconds == 0:
        raise ConfigError(
            'slurm: expected time as sbatch has it, minutes, "M:SS", "H:MM:SS", "D-HH" or '
            f'"D-HH:MM", got {value!r}'
        )
    return math.ceil(seconds / 60)


def _executor(directory: GridDirectory, options: Mapping[str, Any]) -> Any:
    try:
        import submitit
    except ImportError:
        raise ConfigError(
            "the executor slurm needs submitit: pip install 'bnnpost[slurm]', or start bnnpost "
            "sweep worker in jobs of your own"
        ) from None
    rest = dict(options)
    cluster = str(rest.pop("cluster", "slurm"))
    if cluster not in ("slurm", "local"):
        raise ConfigError(f"slurm: expected cluster to be slurm or local, got {cluster!r}")
    if cluster == "slurm" and shutil.which("sbatch") is None:
        raise ConfigError(
            "there is no sbatch here: submit from a machine of the cluster, or try jobs as "
            "processes with --slurm cluster=local"
        )
    timeouts = {f"{cluster}_max_num_timeout": _TIMEOUTS}
    executor = submitit.AutoExecutor(directory.path / JOBS, cluster=cluster, **timeouts)
    executor.update_parameters(**parameters(rest))
    return executor


@contextlib.contextmanager
def _same_modules() -> Iterator[None]:
    """Let jobs, which inherit the environment, find the modules that this process finds."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _wait(jobs: list[Any], directory: GridDirectory, say: Say) -> None:
    """Until all jobs have ended, saying how many units are done. Raises WorkLeft."""
    everything, before = units(directory), -1
    try:
        while True:
            over = all(job.done() for job in jobs)
            settled = sum(map(is_settled, everything))
            if settled != before:
                say(f"{settled} of {len(everything)} units are done")
                before = settled
            if over:
                break
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    except KeyboardInterrupt:
        say("jobs go on without this process: bnnpost sweep status shows them")
        raise
    left = sum(not is_settled(unit) for unit in everything)
    cells = len(unassembled(directory))
    if left or cells:
        what = f"{left} units are not done" if left else f"the results of {cells} cells are missing"
        logs = directory.path / JOBS
        raise WorkLeft(f"all jobs have ended, and {what}{_reason(jobs)}; logs are in {logs}")


def _reason(jobs: list[Any]) -> str:
    """How the first job that failed did, in a line; empty if none did."""
    errors = [error for error in (job.exception() for job in jobs) if error is not None]
    if not errors:
        return ""
    lines = [line.strip() for line in str(errors[0]).splitlines() if line.strip(" -")]
    said = [line for line in lines if _SAYS_WHY.match(line)]
    return (
        f": {len(errors)} of {len(jobs)} jobs failed ({said[-1] if said else 'no reason is known'})"
    )
