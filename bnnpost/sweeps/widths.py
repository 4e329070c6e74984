"""The results of one width, as its file has them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnpost.storage import Misplaced, read_dataset
from bnnpost.sweeps.kept_settings import check_same_width
from bnnpost.sweeps.refusals import ConfigError, DamagedFile

if TYPE_CHECKING:
    import xarray as xr


def read_width(path: Path, config: Mapping[str, Any] | None = None) -> "xr.Dataset":
    """The results of one width.

    Raises DamagedFile if it does not hold what was written, ConfigError if it is of another width
    or run, or was made with another configuration than `config`, widths apart. What keeps it from
    being read at all is passed on: an OSError with a number (no permission, too many open files),
    MemoryError, ImportError.
    """
    try:
        found = read_dataset(path)
    except Misplaced as error:
        raise ConfigError(f"{error}; a width whose file is gone is run again") from None
    except ValueError as error:
        raise DamagedFile(
            f"{path} is damaged ({error}): remove it, and the width is run again"
        ) from error
    if config is not None and "config" in found.attrs:
        check_same_width(path, found.attrs["config"], config)
    return found
