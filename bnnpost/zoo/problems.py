"""From a description to the posterior itself."""

import numpy as np
from jaxtyping import Float

from bnnpost.networks import Serial, mlp
from bnnpost.networks.prior_records import prior_of_record
from bnnpost.posterior import Posterior
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.problem import load_problem
from bnnpost.zoo.entries import Entry


def posterior_of(entry: Entry) -> tuple[Posterior, Float[np.ndarray, "m d"]]:
    """The posterior, and the test inputs [point, feature] of its reference.

    Features and real targets are standardised over all rows of the data set (digits as in
    `datasets.digits_problem`); classes are numbers, of two classes 0 and 1.
    """
    problem = load_problem(
        SweepConfig(
            data=entry.data,
            num_train=entry.num_train,
            num_test=entry.num_test,
            likelihood=entry.likelihood,
        )
    )
    network = _network(entry, problem.num_outputs)
    return Posterior(network, problem.likelihood, problem.x, problem.y), problem.x_test


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
