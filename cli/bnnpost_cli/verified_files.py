"""What verify is given: directories of runs, and files of test inputs."""

from pathlib import Path
from typing import Any


def draws_of(given: str) -> tuple[Path, Any]:
    """The file that holds draws, and the test inputs of the run if it is a run's directory.

    Raises FileNotFoundError, or ValueError for a directory without finished draws.
    """
    path = Path(given)
    if not path.exists():
        raise FileNotFoundError(f"no file or directory {path}")
    if not path.is_dir():
        return path, None
    if not (path / "draws.nc").exists():
        raise ValueError(
            f"{path} holds no draws.nc: expected the directory of a finished run of bnnpost sample "
            "(an interrupted one goes on by the same command), or a file"
        )
    return path / "draws.nc", _inputs_of(path / "predictions.nc")


def _inputs_of(path: Path) -> Any:
    """The test inputs that the run was configured with; None of a run of the library."""
    import xarray as xr

    if not path.exists():
        return None
    try:
        with xr.open_dataset(path, engine="h5netcdf") as stored:
            return stored["x_test"].values
    except Exception as error:  # h5py raises almost anything for a damaged file
        raise ValueError(f"{path} cannot be read for its test inputs: {error}") from error


def read_inputs(given: str) -> Any:
    """Inputs [point, feature] in a .csv, with or without a header, or a .npy file.

    Raises FileNotFoundError, or ValueError for another file.
    """
    import numpy as np

    from bnnpost.verification import files

    path = Path(given)
    if path.suffix.lower() == ".csv":
        if not path.exists():
            raise FileNotFoundError(f"no file {path}")
        from bnnpost.verification.tables import read_numbers

        return read_numbers(path)[1]
    if path.suffix.lower() == ".npy":
        return np.asarray(files.read(path))
    raise ValueError(f"expected --x-test to end in .csv or .npy, got {path}")
