"""From a description to the posterior itself."""

import numpy as np
from jaxtyping import Float

from bnnpost import datasets
from bnnpost.datasets.table import Split
from bnnpost.likelihoods.records import from_record
from bnnpost.networks import Serial, mlp
from bnnpost.networks.prior_records import prior_of_record
from bnnpost.posterior import Posterior
from bnnpost.zoo.entries import Entry


def posterior_of(entry: Entry) -> tuple[Posterior, Float[np.ndarray, "m d"]]:
    """The posterior, and the test inputs [point, feature] of its reference.

    Features and real targets are standardised over all rows of the data set (digits as in
    `datasets.digits_problem`); classes are numbers, of two classes 0 and 1.
    """
    x, y, x_test, _ = _split(entry)
    network = _network(entry, _num_outputs(entry, y))
    return Posterior(network, from_record(entry.likelihood), x, _targets(entry, y)), x_test


def _split(entry: Entry) -> Split:
    counts = entry.num_train, entry.num_test
    if entry.data == "digits":
        return datasets.digits_problem(*counts)
    table = datasets.load(entry.data)
    return table.standardise(targets=table.y.ndim == 1).split(*counts)


def _targets(entry: Entry, y: Float[np.ndarray, "n *k"]) -> Float[np.ndarray, "n *k"]:
    if entry.task == "regression":
        return y
    # Rows of classes are one-hot, those of digits less a constant.
    return y.argmax(axis=1).astype(np.float64)


def _num_outputs(entry: Entry, y: Float[np.ndarray, "n *k"]) -> int:
    return 1 if y.ndim == 1 or entry.task == "binary" else y.shape[1]


def _network(entry: Entry, num_outputs: int) -> Serial:
    return mlp(
        width=entry.width,
        depth=entry.depth,
        activation=entry.activation,
        w_std=entry.w_std,
        b_std=entry.b_std,
        prior=prior_of_record(entry.prior),
        num_outputs=num_outputs,
        readout_w_std=entry.readout_w_std,
        readout_prior=prior_of_record(entry.readout_prior),
    )
