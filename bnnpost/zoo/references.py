"""A named posterior, its reference built on disk, and that read back."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from bnnpost.posterior import Posterior
from bnnpost.zoo import building
from bnnpost.zoo.entries import entry
from bnnpost.zoo.problems import posterior_of

if TYPE_CHECKING:
    import xarray as xr

DIRECTORY = "zoo"


def posterior(name: str) -> tuple[Posterior, Float[np.ndarray, "m d"]]:
    """The posterior of this name, and the test inputs x_test [point, feature] of its reference.

    Raises ValueError for an unknown name.
    """
    return posterior_of(entry(name))


def build(
    name: str,
    directory: str | os.PathLike[str] = DIRECTORY,
    *,
    progress: bool = False,
    say: Callable[[str], None] = lambda message: None,
) -> Path:
    """Draw, check and write the reference of this name; one that is there already is kept.

    Writes NAME.nc, which `bnnpost.verify` takes as a reference and `load` reads, and NAME.csv,
    its function values as plain numbers, each whole or not at all. On one kind of processor and
    with the same versions the draws are the same every time. say: is told how it goes on, a
    line at a time; progress: a bar on stderr. Returns the path of NAME.nc.

    Raises ValueError for an unknown name, or if a file of that name is damaged or something
    else; CheckFailed if the draws fail a check: nothing is then written. OSError if the directory
    cannot be written, or another process builds in it.
    """
    return building.build(entry(name), directory, progress=progress, say=say)


def load(name: str, directory: str | os.PathLike[str] = DIRECTORY) -> "xr.Dataset":
    """The reference of this name that was built in a directory, with its record as attributes.

    f [sample, point, output] at x_test [point, feature], f_train [sample, train_point, output] at
    x_train, y [train_point, target], log_weight [sample], in nats, and proposal_number [sample].
    Where the readout was integrated out, f_mean, f_variance and f_train_mean, f_train_variance:
    of the Gaussian that each draw's values are from, as `Draws.mixture` gives it.
    Raises FileNotFoundError if it was not built; ValueError for an unknown name, or a file that is
    damaged, something else, or of an older description.
    """
    return building.load(entry(name), directory)
