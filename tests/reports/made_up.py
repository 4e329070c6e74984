"""Directories of sweeps as `run_grid` writes them, with made-up numbers and no sampling."""

import json

import numpy as np
import xarray as xr

from bnnpost.samplers.cost import Expectation
from bnnpost.storage import FORMAT, RESULTS_FORMAT, RUN_ID, WIDTH_FORMAT
from bnnpost.sweeps.cell_directory import CELL_FORMAT, CellDirectory, write_expected, write_own
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.results import THEORY
from tests.files import edited

EXPECTED = Expectation("functions", "collapsed", 40, 0.0123, 3252.0, 7.5, "pilot", -7.5, -7.6)
# The id of a run.
RUN = "0" * 16
VERSIONS = json.dumps({"bnnpost": "0.1.0", "jax": "9.9", "numpy": "8.8"})
SIZES = dict(zip(THEORY, (0.8, 2.6, 0.8, 1.0, 0.3, 0.9, 0.5, -1.3), strict=True))


def distances(widths):
    """Distances that follow theory, the log evidence's negative, each with a standard error."""
    n = np.array(widths, float)
    columns = {}
    for name, slope in THEORY.items():
        columns[name] = ("width", SIZES[name] * n**slope)
        columns[f"{name}_se"] = ("width", 0.0123 * np.abs(SIZES[name]) * n**slope)
    return xr.Dataset(columns, coords={"width": list(widths)})


def rates(low=-0.03, high=0.03, shift=0.0, fitted=True):
    """Exponents off by `shift`, with intervals from low to high around them; or none."""
    slopes = np.array(list(THEORY.values()))
    values = slopes + shift if fitted else np.full(len(slopes), np.nan)
    coefficients = np.abs(list(SIZES.values())) if fitted else np.full(len(slopes), np.nan)
    columns = {
        "exponent": values,
        "exponent_low": values + low,
        "exponent_high": values + high,
        "coefficient": coefficients,
        "coefficient_low": 0.9 * coefficients,
        "coefficient_high": 1.1 * coefficients,
        "theory": slopes,
    }
    return xr.Dataset(
        {name: ("distance", column) for name, column in columns.items()},
        coords={"distance": list(THEORY)},
        attrs={"fitted_from_width": 64, "num_fitted": 3, "level": 0.95, "next_order": 0.1},
    )


def first_order():
    """First-order theory of these distances, which holds from width 28 on."""
    sizes = np.array(list(SIZES.values()))
    columns = {
        "coefficient": sizes,
        "coefficient_se": 0.01 * np.abs(sizes),
        "second_order_below": np.full(len(sizes), 20.0),
        "second_order_below_high": np.full(len(sizes), 28.0),
    }
    return xr.Dataset(
        {name: ("distance", column) for name, column in columns.items()},
        coords={"distance": list(THEORY)},
        attrs={"share": 0.1, "tolerance": 0.01, "mean_within_from_width": 84},
    )


def sampling(widths, num_samples):
    """How draws went at each width."""
    count = len(widths)
    columns = {
        "num_samples": np.full(count, float(num_samples)),
        "num_proposals": 4096.0 * (1 + np.arange(count)),
        "acceptance_rate": 0.01 + 0.001 * np.arange(count),
        "log_evidence": -7.5 - 1.0 / np.array(widths),
        "log_evidence_se": np.full(count, 0.001),
        "log_bound": np.full(count, -1.0),
        "seconds": 1.5 + np.arange(count),
    }
    return xr.Dataset(
        {name: ("width", column) for name, column in columns.items()}, {"width": list(widths)}
    )


def predictive(widths, num_test, num_outputs):
    """Densities at test points; all of them normal."""
    grid = np.linspace(-10, 10, 401) + np.zeros((num_test, num_outputs, 1))
    normal = np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi)
    dims = ("point", "output", "grid")
    columns = {
        "f": (dims, grid),
        "limit_density": (dims, normal),
        "limit_mean": (dims[:2], np.zeros((num_test, num_outputs))),
        "density": (("width", *dims), np.stack([normal] * len(widths))),
    }
    attributes = {"limit_log_evidence": -7.5}
    return xr.Dataset(columns, {"width": list(widths)}, attributes)


def tree(config, kind="exact", fit=None, num_samples=None, num_outputs=1):
    """A results tree as a sweep writes it."""
    widths = config.widths
    fitted = sum(width >= 64 for width in widths) > 1
    data = {
        "x_train": (("train_point", "feature"), np.full((config.num_train or 5, 2), 1.5)),
        "x_test": (("point", "feature"), np.full((config.num_test, 2), -1.5)),
        "y_test": (("point", "output"), np.full((config.num_test, num_outputs), 0.5)),
    }
    asked = config.num_samples if num_samples is None else num_samples
    groups = {
        "/distances": distances(widths),
        "/rates": rates(fitted=fitted) if fit is None else fit,
        "/sampling": sampling(widths, asked),
        "/predictive": predictive(widths, config.num_test, num_outputs),
        "/data": xr.Dataset(data),
    }
    for width in widths:
        numbers = np.arange(40).reshape(4, 10)
        groups[f"/width_{width}/sample_stats"] = xr.Dataset(
            {"proposal_number": (("chain", "draw"), numbers)}
        )
    found = xr.DataTree.from_dict(groups)
    found.attrs = {
        "format": RESULTS_FORMAT,
        "kind": kind,
        "config": json.dumps(config.as_dict()),
        "config_digest": config.digest(),
        "versions": VERSIONS,
        "device": "a device",
        "precision": config.method.precision,
        "seed": config.seed,
    }
    return found


def width_file(config, width, kind="exact", **attributes):
    """One width's results as its file has them."""
    one = distances([width]).isel(width=0, drop=True)
    numbers = ("sample", np.arange(40))
    row = {str(n): float(v[0]) for n, v in sampling([width], config.num_samples).items()}
    record = {
        **row,
        "format": WIDTH_FORMAT,
        "part": width,
        "config": json.dumps(config.as_dict()),
        "kind": kind,
        "complete": "true",
        "effective_sample_size": 37.5,
        "num_nan": 0,
        "pareto_k": "null",
        "layer_forms": "functions, functions, functions",
        "versions": VERSIONS,
        "device": "a device",
        "precision": "single",
        "limit_log_evidence": -7.5,
    }
    return one.assign(proposal_number=numbers).assign_attrs({**record, **attributes})


def bound(file, values, run=RUN):
    """Write a JSON file of a run, with the run's id."""
    edited(file, json.dumps({RUN_ID: run, **values}))


def directory(
    path,
    config=None,
    done=None,
    state="done",
    whole=True,
    attributes=None,
    forecast=True,
    run=RUN,
    **kinds,
):
    """A sweep's directory with the files of the widths in `done`; with results.nc if whole."""
    config = config or SweepConfig(num_train=3, num_test=2, widths=(4, 64, 256), num_samples=40)
    path.mkdir(parents=True)
    bound(path / "contents.json", {FORMAT: CELL_FORMAT}, run)
    bound(path / "config.json", config.as_dict(), run)
    bound(path / "status.json", {"state": state, "time": "2026-01-01"}, run)
    if forecast:
        write_expected(CellDirectory(path, run), dict.fromkeys(config.widths, EXPECTED))
    for width in config.widths if done is None else done:
        one = width_file(config, width, kinds.get("kind", "exact"), **(attributes or {}))
        write_own(path / f"width_{width:06d}.nc", one, run)
    if whole:
        write_own(path / "results.nc", tree(config, **kinds), run)
    return config
