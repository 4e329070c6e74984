"""An entry that is built in seconds, and one that costs nothing."""

import dataclasses
import json

import numpy as np
import xarray as xr

import bnnpost
from bnnpost.zoo.entries import Perceptron

TINY = bnnpost.zoo.Entry(
    "tiny",
    "two points and eight units",
    *("diabetes", 2, Perceptron("erf", 1, 8), {"type": "Gaussian", "noise_std": 0.7}),
    num_test=2,
    num_samples=400,
)


def made_up(entry=TINY, progress=False, say=lambda message: None):
    """Normal numbers in the place of draws, with a record as of a run: for what only files do."""
    posterior, x_test = bnnpost.zoo.posterior(entry)
    rng = np.random.default_rng(entry.seed)
    size, outputs = entry.num_samples, posterior.num_outputs
    variables = {
        "f": (("sample", "point", "output"), rng.normal(size=(size, len(x_test), outputs))),
        "f_train": (
            ("sample", "train_point", "output"),
            rng.normal(size=(size, entry.num_train, outputs)),
        ),
        "log_weight": (("sample",), np.zeros(size)),
        "x_test": (("point", "feature"), x_test),
        "x_train": (("train_point", "feature"), posterior.x),
    }
    check = {"name": "halves", "passed": True, "found": 0.4, "limit": 1e-3, "measure": "p-value"}
    record = {
        "kind": "exact",
        "bound": "collapsed",
        "num_samples": size,
        "num_proposals": 7 * size,
        "log_evidence": -3.25,
        "log_evidence_se": 0.01,
        "seconds": 1.0,
        "processor": "none",
        "versions": json.dumps({"bnnpost": "0.1.0"}),
        "checks": json.dumps([check]),
        "entry": entry.as_json(),
    }
    say(f"{entry.name}: made up")
    return xr.Dataset(variables, attrs=record)


def with_seed(seed):
    """The same entry with draws of another seed."""
    return dataclasses.replace(TINY, seed=seed)
