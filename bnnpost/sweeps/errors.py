"""What keeps a sweep from running, or from ending as asked."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


class ConfigError(ValueError):
    """A configuration that cannot be run; the message names the key and what was expected."""


class DamagedFile(OSError):
    """A file of results that does not hold what was written, or is none."""


class HopelessRun(ValueError):
    """A run that is expected to need more proposals than it may; refused before it starts."""


class WorkLeft(RuntimeError):
    """Workers that were waited for have ended, and not all that they were to do is done."""


class BudgetExhausted(RuntimeError):
    """max_proposals was reached before all draws were accepted; what there is was kept.

    results: those of the whole sweep, with fewer draws at the widths that were cut short.
    """

    def __init__(self, message: str, results: "xr.DataTree"):
        super().__init__(message)
        self.results = results
