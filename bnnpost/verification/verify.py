"""A verdict on a sampler: its draws against exact ones, at one stated rate of false alarms."""

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Array

from bnnpost.arguments import shown
from bnnpost.draws import Draws
from bnnpost.networks.layers import Layer
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.verification import checks, references, sameness
from bnnpost.verification.candidates import candidate_of, with_contents
from bnnpost.verification.check_effects import with_effects
from bnnpost.verification.compared import compared
from bnnpost.verification.diagnosis import causes_for
from bnnpost.verification.effect_sizes import effects_of
from bnnpost.verification.report import Report
from bnnpost.verification.sets import TEST, TRAIN, Candidate


def verify(
    key: Array,
    candidate: object,
    reference: object,
    x_test: object | None = None,
    *,
    level: float = 0.01,
) -> Report:
    """Compare a sampler's draws with exact draws from the same posterior.

    A candidate of independent draws from the posterior itself fails with probability at most
    `level`, whatever the number of values compared; chains with about that probability, as their
    autocorrelation times are estimated. candidate: function values f at the test inputs x_test, at
    the training inputs, or both ({"f": …, "f_train": …}): arrays [draw, point], [draw, point,
    output] or [chain, draw, point, output], `Draws`, an ensemble, ArviZ or numpyro results, or the
    path of a file of any of these; or parameters of the network, which are evaluated there
    (`candidates.candidate_of` says how all are read). reference:
    exact or capped `Draws`, the path of a file of them or what `bnnpost.zoo.load` reads, or a
    `Posterior`, from which draws are then made. x_test [point, feature]: test inputs; default:
    those in the reference's file, else none.

    Checks: by permutation of independent draws, locations, spreads, distributions, tails, pairs
    of values, projections and the joint law (maximum mean discrepancy), corrected for one
    another (Westfall and Young 1993); the reference's distribution function at the draws (PIT);
    means and variances of their normal scores by it, with Monte-Carlo errors on both sides;
    whether chains agree; the log evidence. Chains are thinned to one autocorrelation time for
    all but the last three, and those that are left are counted as what they are worth. No check
    needs moments of the values or laws without atoms. The `level` is divided between these kinds of
    check (Bonferroni).

    The verdict says how wrong a candidate is that failed, in units of the posterior; below it is
    what its errors look like, where all of them make a pattern that is known (`Report.causes`).

    Raises ValueError for draws of NaN, at other inputs, too few for any statement; constant,
    repeated, or shared with the reference where that has no atom; for a reference that is not
    exact; for a level not between 0 and 1. TypeError for a legacy key.
    """
    draw_key, keep_key, read_key, test_key = jax.random.split(require_key(key), 4)
    if not isinstance(level, int | float | np.number) or not 0 < level < 1:
        raise ValueError(f"expected a level between 0 and 1, got {shown(level)}")
    reference, candidate = references.opened(reference), with_contents(candidate)
    if isinstance(reference, Posterior | Draws):
        # The candidate first: one that cannot be read need not wait for the reference.
        posterior = reference.posterior if isinstance(reference, Draws) else reference
        points = None if x_test is None else posterior.checked_test_points(x_test)
        shapes = _shapes(posterior, points)
        given = _read(read_key, candidate, points, posterior.x, shapes, posterior.network)
        if isinstance(reference, Draws):
            held = references.reference_of_draws(keep_key, reference, points)
        else:
            draws = references.drawn_reference(draw_key, posterior, given.num_draws)
            held = references.reference_of_draws(keep_key, draws, points)
    else:
        held = references.reference_of(keep_key, reference, x_test)
        given = _read(read_key, candidate, held.x_test, held.x_train, held.shapes, held.network)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(test_key)))
    both = compared(given, held)
    uniforms = both.pit()
    report = Report(
        level,
        with_effects(both, tuple(checks.all_of(both, uniforms, level, rng)), level),
        both.in_words(),
        held.source,
        both.columns,
        uniforms,
        (*_of_another(candidate, reference), *both.notes, *given.notes),
        held.doubt,
        effects_of(both),
    )
    return report if report.passed else dataclasses.replace(report, causes=causes_for(both))


def _of_another(candidate: object, reference: object) -> Iterator[str]:
    """Names what differs between the posteriors of two objects, where both say what it is."""
    told = sameness.differences(sameness.known_of(candidate), sameness.known_of(reference))
    if told:
        yield f"the candidate's draws are of another posterior, by their own record: {told}"


def _shapes(posterior: Posterior, points: np.ndarray | None) -> dict[str, tuple[int, int]]:
    shapes = {} if points is None else {TEST: (len(points), posterior.num_outputs)}
    return {**shapes, TRAIN: (posterior.num_points, posterior.num_outputs)}


def _read(
    key: Array,
    candidate: object,
    x_test: np.ndarray | None,
    x_train: np.ndarray | None,
    shapes: dict[str, tuple[int, int]],
    network: Layer | None,
) -> Candidate:
    return candidate_of(
        candidate,
        num_test=shapes[TEST][0] if TEST in shapes else None,
        num_train=shapes[TRAIN][0] if TRAIN in shapes else 0,
        num_outputs=next(iter(shapes.values()))[1],
        x_test=x_test,
        x_train=x_train,
        network=network,
        key=key,
        may_repeat=True,
    )
