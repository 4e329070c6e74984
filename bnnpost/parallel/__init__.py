"""Work done elsewhere, by any `concurrent.futures.Executor`, and kept by one coordinator.

A task is a pure function of its arguments: workers compute and return, and nothing but the
coordinator writes.
"""

from bnnpost.parallel.choice import executor
from bnnpost.parallel.coordinator import Inline, Task, run
from bnnpost.parallel.failures import ExecutorError, WorkLeft
from bnnpost.parallel.processes import Processes

__all__ = ["ExecutorError", "Inline", "Processes", "Task", "WorkLeft", "executor", "run"]
