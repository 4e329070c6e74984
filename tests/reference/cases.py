"""Reads the reference data of this folder; see its README for the conventions."""

import functools
import json
import types
from collections.abc import Mapping
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
# Of inputs [point, feature], and of sequences [point, position, channel].
PLAIN_GROUPS = ("fc", "fc_extra", "fc_numerical", "resnet", "layernorm")
SEQUENCE_GROUPS = ("conv", "attention")
KERNEL_GROUPS = PLAIN_GROUPS + SEQUENCE_GROUPS


@functools.cache
def inputs() -> Mapping[str, np.ndarray]:
    """x1, x2, y and the sequences, by name."""
    return _arrays("inputs")


def all_points(group: str = "fc") -> np.ndarray:
    """The rows of every reference kernel of this group: x1, then x2."""
    if group in SEQUENCE_GROUPS:
        return all_sequences()
    return np.concatenate([inputs()["x1"], inputs()["x2"]])


def all_sequences() -> np.ndarray:
    """The rows of kernels of sequences [10, position, channel]: xs1, then xs2."""
    return np.concatenate([inputs()["xs1"], inputs()["xs2"]])


def drawn_attention() -> tuple[list[dict], np.ndarray, np.ndarray]:
    """A layer list, its kernel at all sequences by Monte Carlo, and the standard errors."""
    case = json.loads((FOLDER / "attention_sqrt_softmax.json").read_text())[0]
    arrays, prefix = _arrays("attention_sqrt_softmax"), f"{case['id']}/nngp_all"
    return case["layers"], arrays[prefix], arrays[f"{prefix}_stderr"]


@functools.cache
def cases(group: str) -> dict[str, dict]:
    """The cases of one kernel group by their id."""
    listed = json.loads((FOLDER / f"{group}.json").read_text())["cases"]
    return {case["id"]: case for case in listed}


def layers(group: str, name: str) -> list[dict]:
    """One case's layer list, as `bnnpost.from_spec` takes it."""
    return cases(group)[name]["layers"]


def kernel(group: str, name: str, kind: str = "nngp") -> np.ndarray:
    """One case's kernel (10, 10): its nngp, or its ntk."""
    return _arrays(group)[f"{name}/{kind}"]


def posteriors() -> list[dict]:
    """Case, group, noise variance and log marginal likelihood of every reference posterior."""
    return json.loads((FOLDER / "posterior.json").read_text())


def posterior_values(entry: dict, law: str = "nngp") -> tuple[np.ndarray, np.ndarray]:
    """Mean (4, 1) and covariance (4, 4) at x2.

    law: "nngp", the posterior; "ntk", a trained ensemble; "ntkgp", the posterior with the NTK.
    """
    prefix = f"{entry['case']}/s2_{entry['noise_variance']:g}/{law}_"
    arrays = _arrays("posterior")
    return arrays[prefix + "mean"], arrays[prefix + "cov"]


@functools.cache
def _arrays(name: str) -> Mapping[str, np.ndarray]:
    with np.load(FOLDER / f"{name}.npz") as archive:
        return types.MappingProxyType({key: archive[key] for key in archive.files})
