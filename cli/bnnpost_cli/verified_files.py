"""What verify is given: directories of runs, and files of test inputs."""

from pathlib import Path
from typing import Any

from bnnpost.storage import PREDICTIONS, as_path


def draws_of(given: str, with_inputs: bool = False) -> tuple[Path, Any]:
    """The file that holds draws, and with_inputs, of a run's directory, the run's test inputs.

    Raises FileNotFoundError, or ValueError for a directory without finished draws, and where the
    test inputs cannot be read.
    """
    path = as_path(given)
    if not path.exists():
        raise FileNotFoundError(f"no file or directory {path}")
    if not path.is_dir():
        return path, None
    from bnnpost.draws.draws_files import draws_file

    return draws_file(path), _inputs_of(path) if with_inputs else None


def _inputs_of(path: Path) -> Any:
    """The test inputs that the run was configured with; None of a run of the library."""
    from bnnpost.sweeps.cell_directory import CONFIG
    from bnnpost.sweeps.sampling import read_predictions

    if (path / PREDICTIONS).exists():
        return read_predictions(path / PREDICTIONS)["x_test"].values
    if (path / CONFIG).exists():
        raise ValueError(
            f"{path} holds no {PREDICTIONS}, with the test inputs of the run: the same bnnpost "
            "sample command writes it again, or give inputs with --x-test"
        )
    return None


def read_inputs(given: str) -> Any:
    """Inputs [point, feature] in a .csv, with or without a header, or a .npy file.

    Raises FileNotFoundError, or ValueError for another file.
    """
    import numpy as np

    from bnnpost.verification.candidates import read_values

    path = Path(given)
    if path.suffix.lower() == ".csv":
        if not path.exists():
            raise FileNotFoundError(f"no file {path}")
        from bnnpost.datasets.csv_files import read_table

        return read_table(path).numbers()
    if path.suffix.lower() == ".npy":
        return np.asarray(read_values(path))
    raise ValueError(f"expected --x-test to end in .csv or .npy, got {path}")
