"""Posterior simulation-based calibration: networks that teach around the data that were seen.

Säilynoja, Schmitt, Bürkner and Vehtari (2025, arXiv 2502.03279). A draw θ of the posterior given
the data y, and new targets y* drawn given θ, are a draw from their joint law given y. So θ is one
draw from the posterior given y and y* together, and cannot be told from what a right sampler
returns for it. There θ is the sampler's own; here it is exact, so that a sampler which is wrong
in the same way about y and about both together is found too.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.draws import Draws
from bnnpost.posterior import Posterior
from bnnpost.verification import sameness
from bnnpost.verification.references import require_fit
from bnnpost.verification.sets import kept_draws

# Folded into the key of a calibration, of which datasets take the small numbers.
_WHICH = 0x61726F75


class SeenNetwork(NamedTuple):
    """One draw: f at the training inputs [n, k] and at x_test [m, k], its noise std or None."""

    f_train: Float[np.ndarray, "n k"]
    f_test: Float[np.ndarray, "m k"]
    noise_std: float | None


@dataclass(frozen=True)
class SeenNetworks:
    """Draws of the posterior given the data that were seen, each of which teaches once.

    f_train [draw, n, k], f_test [draw, m, k], noise_std [draw] or None; order: places of the draws,
    in the order of the datasets. words: what they are.
    """

    f_train: Float[np.ndarray, "d n k"]
    f_test: Float[np.ndarray, "d m k"]
    noise_std: Float[np.ndarray, " d"] | None
    order: Int[np.ndarray, " t"]
    words: str

    @classmethod
    def of(
        cls,
        key: Array,
        draws: object,
        posterior: Posterior,
        points: np.ndarray | None,
        num_datasets: int,
    ) -> "SeenNetworks":
        """Which draw teaches which dataset, by the key; of weighted ones those that are kept.

        Raises TypeError for what are no `Draws`; ValueError for draws that are not independent, of
        another posterior, without the noise std that the targets are to be drawn with, or fewer
        than there are datasets.
        """
        if not isinstance(draws, Draws):
            raise TypeError(
                "expected around to be bnnpost.Draws of the posterior, such as those of "
                f"bnnpost.rejection.sample, got {type(draws).__name__}"
            )
        info = draws.info
        tv_upper = None if info.coupled is None else info.coupled.tv_upper
        require_fit(info.kind, info.pareto_k, tv_upper, "around")
        _check_same(draws.posterior, posterior)
        noise_std = _noise_std(draws)
        keep_key, order_key = jax.random.split(jax.random.fold_in(key, _WHICH))
        kept = np.flatnonzero(kept_draws(draws.log_weights, keep_key))
        words = _in_words(draws, len(kept))
        if num_datasets > len(kept):
            raise ValueError(
                f"expected at most {len(kept):,} datasets, got {num_datasets:,}: each needs a draw "
                f"of its own, and around has {words}"
            )
        none = np.zeros((len(draws), 0, posterior.num_outputs))
        return cls(
            draws.training_outputs(),
            none if points is None else draws.predict(points),
            noise_std,
            np.asarray(jax.random.permutation(order_key, kept)),
            words,
        )

    def network(self, number: int) -> SeenNetwork:
        """The draw that teaches the dataset of this number."""
        i = int(self.order[number])
        noise_std = None if self.noise_std is None else float(self.noise_std[i])
        return SeenNetwork(self.f_train[i], self.f_test[i], noise_std)


def _check_same(drawn: Posterior, posterior: Posterior) -> None:
    """Raise ValueError where draws are known to be of another posterior."""
    told = sameness.differences(*map(sameness.of_posterior, (drawn, posterior)))
    if told:
        raise ValueError(
            "around: expected draws of the posterior itself, got those of one with "
            + told.replace("the reference's", "the posterior's")
        )


def _noise_std(draws: Draws) -> Float[np.ndarray, " d"] | None:
    """Of noise of unknown size each draw's, which its targets share with those seen."""
    likelihood = draws.posterior.likelihood
    if likelihood.shares_noise:
        try:
            return draws.noise_std()
        except ValueError as error:
            raise ValueError(f"around: new targets need the noise of each draw: {error}") from None
    if likelihood.defines("sample_with_noise"):
        raise ValueError(
            f"{type(likelihood).__name__} draws noise of its own with the targets, and draws of "
            "the posterior do not say which: new targets cannot be drawn given them"
        )
    return None


def _in_words(draws: Draws, num_kept: int) -> str:
    info, count = draws.info, len(draws)
    if info.kind == "exact":
        return f"{count:,} exact draws"
    if info.coupled is not None:
        return (
            f"{count:,} coupled draws, each at most {info.coupled.tv_upper:.2g} in total variation "
            "from the posterior"
        )
    kept = f"{count:,}" if num_kept == count else f"{num_kept:,} (by their weights) of {count:,}"
    return f"{kept} capped draws, with {info.unseen()}"
