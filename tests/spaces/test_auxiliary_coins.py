"""Auxiliary rejection on units with a few values, for which every expectation is a sum.

Each coin is held against its closed form, the density of t against quadrature, evidence against
a sum over all that units can be. One comparison passes six standard errors by chance with
probability 2e-9. Units of two radii: fixed, and free with d degrees of freedom.
"""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from bnnpost.numerics.precision import in_double_precision
from bnnpost.spaces.auxiliary import coins, fourth_moments, law, partition
from bnnpost.spaces.auxiliary.law import Known, auxiliary
from bnnpost.spaces.auxiliary.radius import Radius
from bnnpost.spaces.auxiliary.shells import LowerBound, Vector
from bnnpost.spaces.auxiliary.sizes import BoundedSizes
from bnnpost.spaces.auxiliary.unit_draws import Units
from tests.samplers.checks import LIMIT, mean_z, worst

VALUES = np.array([[0.9, -0.3, -1.0, 0.4, 0.1], [0.2, 0.8, -0.5, -1.0, 0.6]])
KERNEL = VALUES @ VALUES.T / VALUES.shape[1]
NOISE, BIAS = np.array([0.4, 0.5]), 0.05
TARGETS = np.array([[0.9], [-0.6]])
BATCH, REPEATS = 64, 20_000


def units(key):
    """Units that are equally likely to be each of the values."""

    def draw(number):
        chosen = jax.random.randint(jax.random.fold_in(key, number), (BATCH,), 0, VALUES.shape[1])
        features = jnp.asarray(VALUES)[:, chosen]
        return Units({"value": chosen[None]}, features)

    return draw


def fourth():
    """E φφφφ, as sums."""
    moments = np.mean(np.prod(VALUES[fourth_moments._quadruples(2)], axis=1), axis=1)
    matrix = moments[fourth_moments._places(2)]
    excess = fourth_moments._excess(matrix, KERNEL)
    return fourth_moments.FourthMoments(moments, np.float64(excess))


FREE = Radius(3.0)
FIXED = Radius()


def problem(width=6, targets=TARGETS, bound=1.0, known=True, radius=FIXED):
    """known: whether fourth moments are; then there are shells that need them."""
    sizes = BoundedSizes(np.float64(bound**2 / (2 * width)))
    most = bound if radius is FIXED else math.inf
    of_unit = Known(sizes, radius, fourth() if known else None, most)
    made = auxiliary(targets, NOISE, BIAS, KERNEL, of_unit, width)
    if not known:
        return made
    region = region_of(made)
    between = partition.by_quadratic(region, SQUARES)
    shells = partition.with_factors(region, [between(i, i + 1) for i in range(3)])
    constant = made.log_constant + shells.log_mass() - made.shells.log_mass()
    return dataclasses.replace(made, shells=shells, log_constant=constant)


# The edges of shells.
SQUARES = [0.0, 0.6, 1.5, math.inf]


def region_of(made):
    return partition.Region(
        np.diag(NOISE) + BIAS,
        made.shells.kernel,
        made.shells.sizes,
        made.tilt.radius,
        made.tilt.width,
        float(made.tilt.mean),
        made.shells.num_outputs,
        made.shells.fourth,
    )


def shell_numbers(shells, t):
    """Which shell each vector is in, and its q. t: [m, n, k]."""
    lengths = np.sqrt(np.sum(np.abs(t).sum(axis=1) ** 2, axis=1))
    quadratics = np.einsum("mak,ab,mbk->m", t, shells.kernel, t)
    inside = np.ones((len(t), len(shells.each.low)), bool)
    for low, high, value in (("low", "high", lengths), ("least", "most", quadratics)):
        inside &= getattr(shells.each, low) <= value[:, None]
        inside &= value[:, None] < getattr(shells.each, high)
    assert np.all(inside.sum(axis=1) == 1)  # they are a partition
    return np.argmax(inside, axis=1), quadratics


def proposed(made, t, far=False):
    """far: with an f that is negative for some units."""
    size = made.shells.sizes.scale * np.sum(np.abs(t).sum(axis=0) ** 2)
    if far:
        bound = partition.tangent(made.tilt.radius, 0.0)
    else:
        (number,), (quadratic,) = shell_numbers(made.shells, t[None])
        shell = jax.tree.map(lambda of_all: of_all[number], made.shells.each)
        share = min(shell.reach / quadratic, 1.0)
        linear, square, rise = shell.bound
        bound = LowerBound(linear * share, square * share**2, rise if share == 1 else 1.0)
    return Vector(t, np.array(True), size, bound)


def energies(vectors, width):
    """X of each value."""
    return np.sum((vectors.T @ VALUES) ** 2, axis=0) / (2 * width)


class Sums:
    """What coins are of, as sums over the values."""

    def __init__(self, made, t, bound=None):
        self.width, freedom = made.tilt.width, made.tilt.radius.freedom
        on_v, self.on_t = (energies(vector, self.width) for vector in (made.tilt.vector, t))
        tilted, both = mean_exp(freedom, on_v), mean_exp(freedom, on_v - self.on_t)
        self.tilted, self.tilt_mean = tilted, tilted.mean()
        self.shares = tilted / tilted.sum()
        self.lost = 1 - both / tilted
        self.missed = self.shares @ self.lost
        if bound is not None:
            bounds = np.asarray(bound.of(self.on_t))
            self.bounds, self.beyond = np.maximum(bounds, 0), np.maximum(-bounds, 0)
            self.known = bounds.mean() / float(made.tilt.mean)


def mean_exp(freedom, x):
    """E e^{xR}."""
    return np.exp(x) if math.isinf(freedom) else (1 - 2 * x / freedom) ** (-freedom / 2)


T = np.array([[1.1], [-2.0]])
T_TWO = np.array([[1.1, 0.5], [-2.0, 0.7]])
TARGETS_TWO = np.array([[0.9, 0.2], [-0.6, 1.1]])
CASES = [
    pytest.param(TARGETS, T, 6, FIXED, False, marks=pytest.mark.slow),
    pytest.param(TARGETS_TWO, T_TWO, 4, FREE, False, marks=pytest.mark.slow),
    pytest.param(TARGETS, 1.6 * T, 3, FIXED, True, marks=pytest.mark.slow),
    (TARGETS, 1.6 * T, 3, FREE, True),
    pytest.param(1.5 * TARGETS, 0.7 * T, 3, FIXED, False, marks=pytest.mark.slow),
]
GIVEN = ("targets", "t", "width", "radius", "far")
KNOWN = [pytest.param(False, marks=pytest.mark.slow), True]


@in_double_precision
def shares(function, repeats=REPEATS):
    """Of so many keys, for how many something holds."""
    keys = jax.random.split(jax.random.key(3), repeats)
    return np.asarray(jax.jit(lambda keys: jax.lax.map(function, keys))(keys), float)


def two_keys(key):
    return [units(k) for k in jax.random.split(key, 2)]


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize(GIVEN, CASES)
@pytest.mark.slow
def test_each_coin_against_its_closed_form(targets, t, width, radius, far, known):
    radius, far = (radius, far) if known else (FIXED, False)
    made = problem(width, targets, known=known, radius=radius)
    proposal, tilt = proposed(made, t, far), made.tilt
    assert (proposal.bound.square > 0) == known
    sums = Sums(made, t, proposal.bound)
    assert (sums.beyond.max() > 0) == far
    missed = sums.shares @ (sums.lost - sums.bounds)
    tilted = sums.shares @ (sums.bounds * (1 - 1 / sums.tilted))
    short = (float(tilt.mean) - sums.tilt_mean) / float(tilt.mean)
    mean = short * (sums.shares @ (sums.bounds / sums.tilted))
    runs = -math.log1p(-sums.missed) - sums.missed

    def of_one(key):
        draw, _ = two_keys(key)
        return coins._no_point(key, *coins._of_one(draw, tilt, proposal), jnp.array(True))

    def of_beyond(key):
        _, second = two_keys(key)
        return coins._no_point(key, *coins._of_beyond(second, tilt, proposal), jnp.array(True))

    def of_pairs(key):
        pair = coins._of_pairs(*two_keys(key), tilt, proposal)
        return coins._no_point(key, *pair, jnp.array(True))

    def of_runs(key):
        return coins._no_run(key, two_keys(key)[0], tilt, proposal, jnp.array(True)).none

    rates = {of_one: missed + tilted, of_pairs: mean, of_runs: runs}
    if far:
        rates[of_beyond] = sums.beyond.mean() / float(tilt.mean)
    surprises = [mean_z(shares(coin), math.exp(-width * rate)) for coin, rate in rates.items()]
    assert worst(surprises) < LIMIT
    total = sum(rates.values())  # and these are all that the product leaves
    assert math.isclose(total, -math.log1p(-sums.missed) - sums.known, rel_tol=1e-9)


@pytest.mark.first
@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize(GIVEN, CASES)
def test_no_test_of_a_unit_has_a_probability_outside_0_and_1(targets, t, width, radius, far, known):
    radius, far = (radius, far) if known else (FIXED, False)
    made = problem(width, targets, known=known, radius=radius)
    proposal = proposed(made, t, far)
    draw, second = two_keys(jax.random.key(1))

    @in_double_precision
    def chances():
        one = coins._of_one(draw, made.tilt, proposal)
        pair = coins._of_pairs(draw, second, made.tilt, proposal)
        beyond = [coins._of_beyond(second, made.tilt, proposal)] if far else []
        return [np.asarray(batch(jnp.uint32(0)).real) for _, batch in (one, pair, *beyond)]

    for real in chances():
        assert 0 <= real.min() < real.max() <= 1 + 1e-12


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize(GIVEN, CASES)
@pytest.mark.first
def test_a_vector_is_kept_with_the_right_probability_and_never_without_a_coin(
    targets, t, width, radius, far, known
):
    radius, far = (radius, far) if known else (FIXED, False)
    made = problem(width, targets, known=known, radius=radius)
    proposal = proposed(made, t, far)
    sums = Sums(made, t, proposal.bound)

    def kept(tilt, proposal=proposal):
        def one(key):
            fate = coins.survives(key, *two_keys(jax.random.fold_in(key, 1)), tilt, proposal)
            return fate.none & ~fate.unsure

        return shares(one)

    exact = math.exp(width * (math.log1p(-sums.missed) + sums.known))
    assert worst(mean_z(kept(made.tilt), exact)) < LIMIT
    # Known-wrong twins, one coin left out: that of pairs (a rate of 0), and that of runs.
    if made.tilt.mean > 1.4 * sums.tilt_mean:
        wrong = dataclasses.replace(made.tilt, mean=np.float64(1e12))
        assert worst(mean_z(kept(wrong), exact)) > LIMIT
    without = exact * math.exp(width * (-math.log1p(-sums.missed) - sums.missed))
    assert worst(mean_z(kept(made.tilt), without)) > LIMIT
    if far and radius is FREE:  # and of a free radius taken for a fixed one
        wrong = dataclasses.replace(made.tilt, radius=FIXED)
        assert worst(mean_z(kept(wrong), exact)) > LIMIT


@pytest.mark.parametrize("size", [1e-9, 0.1, 1.0, 2.5, 40.0])
@pytest.mark.parametrize("place", [0.0, 0.2, 3.0, None])
@pytest.mark.parametrize("radius", [FIXED, FREE])
@in_double_precision
def test_lower_bounds_are_bounds_and_the_most_that_they_miss_is_known(size, place, radius):
    """place: of a tangent; a chord where it is None."""
    if place is None and radius is FREE:
        return
    on_t = size * np.linspace(0, 1, 4001)
    missed = 1 - mean_exp(radius.freedom, -on_t)
    bound = partition._chord(size) if place is None else partition.tangent(radius, place)
    assert bound.of(on_t).min() >= 0 or place is not None
    for target in (0.01, 1.0):
        tilt = problem(targets=target * TARGETS, radius=radius).tilt
        on_v = radius.energy_of(float(tilt.largest))
        lost = 1 - mean_exp(radius.freedom, on_v - on_t) / mean_exp(radius.freedom, on_v)
        for largest in (size, 0.6 * size):
            few = on_t <= largest
            found = bound.of(on_t[few])
            assert np.all(found <= missed[few] + 1e-15)
            vector = Vector(T, np.array(True), np.float64(largest), bound)
            assert np.max(found) <= coins._most_bound(vector) * (1 + 1e-12)
            most = float(coins._most_missed(tilt, vector))
            assert np.max(lost[few] - np.maximum(found, 0)) <= most * (1 + 1e-12) + 1e-15


def log_marginal(made, t):
    """Of t, without a constant: exp(−½ tᵀSt) (1 − m)^N."""
    sums = Sums(made, t)
    noise = np.diag(NOISE) + BIAS
    return -0.5 * np.sum(t * (noise @ t)) + sums.width * math.log1p(-sums.missed)


def kept_vectors(made, count):
    @in_double_precision
    def run(keys):
        return jax.jit(lambda keys: jax.lax.map(lambda key: made.attempt(key, units), keys))(keys)

    found = run(jax.random.split(jax.random.key(7), count))
    kept = np.asarray(found.log_kept) == 0
    return np.asarray(found.proposal.t)[kept][:, :, 0], kept.mean()


def grid_moments(made):
    """Means of functions of t under its density, by quadrature, and the density's integral."""
    line = np.linspace(-14, 14, 281)
    grid = np.array(list(itertools.product(line, line)))
    weights = np.exp([log_marginal(made, t[:, None]) for t in grid])
    integral = weights.sum() * (line[1] - line[0]) ** 2
    return weights / weights.sum() @ functions(grid), integral


def functions(t):
    size = np.abs(t).sum(axis=1)
    return np.stack([t[:, 0] ** 2, t[:, 0] * t[:, 1], t[:, 1] ** 2, size, size**3], axis=1)


@pytest.mark.parametrize(
    ("known", "radius"),
    [
        pytest.param(True, FREE, marks=pytest.mark.slow),
        *(pytest.param(known, FIXED, marks=pytest.mark.slow) for known in (False, True)),
    ],
)
def test_vectors_have_their_density_and_its_integral(known, radius):
    made = problem(known=known, radius=radius)
    assert len(made.shells.each.low) > 1
    found, _rate = kept_vectors(made, 40_000)
    expected, integral = grid_moments(made)
    assert worst(mean_z(functions(found), expected)) < LIMIT
    mass = math.exp(made.shells.log_mass()) * 2 * math.pi
    assert worst(mean_z(np.repeat([1.0, 0.0], [len(found), 40_000 - len(found)]),
                        integral / mass)) < LIMIT  # fmt: skip


def proposals(shells, count=2**20):
    """Vectors below h, and the share of proposals that they are."""

    @in_double_precision
    def run(keys):
        return jax.jit(jax.vmap(shells.propose))(keys)

    found = run(jax.random.split(jax.random.key(5), count))
    kept = np.asarray(found.kept)
    return np.asarray(found.t)[kept][:, :, 0], kept


def of_bound(made):
    """Means of functions of t under h, and its integral, by quadrature."""
    line = np.linspace(-20, 20, 401)
    grid = np.array(list(itertools.product(line, line)))
    shells, width = made.shells, made.tilt.width
    noise = np.diag(NOISE) + BIAS
    numbers, quadratics = shell_numbers(shells, grid[:, :, None])
    linear, square = (getattr(shells.each.bound, name)[numbers] for name in ("linear", "square"))
    reaches = shells.each.reach[numbers]
    shortened = np.where(quadratics > reaches, reaches / np.maximum(quadratics, 1e-9), 1.0)
    on_t = shortened[:, None] * (grid @ VALUES) ** 2 / (2 * width)
    known = np.mean(linear[:, None] * on_t - square[:, None] * on_t**2, axis=1)
    h = np.exp(-0.5 * np.sum((grid @ noise) * grid, axis=1) - width * known / made.tilt.mean)
    return h / h.sum() @ functions(grid), h.sum() * (line[1] - line[0]) ** 2


EDGES = [0.0, 2.0, 3.5, math.inf]


def of_edges(made, twin):
    """Shells between these lengths."""
    region = region_of(made)
    between = partition.by_length(region, EDGES)
    each = [between(i, i + 1) for i in range(3)]
    right = partition.with_factors(region, each)
    if twin == "chords of the lower edges":
        each = [_lower(region, shell) for shell in each]
    wrong = partition.with_factors(region, each)
    if twin == "masses off by 5 %":
        off = wrong.each.log_mass + np.array([0.0, math.log(1.05), math.log(1.05)])
        wrong = dataclasses.replace(wrong, each=wrong.each._replace(log_mass=off))
    return dataclasses.replace(made, shells=right), wrong


def _lower(region, shell):
    bound = partition._chord(region.sizes.scale * shell.low**2)
    dets = [np.linalg.slogdet(region.precision(b.linear, shell.tilt))[1]
            for b in (shell.bound, bound)]  # fmt: skip
    mass = shell.log_mass + 0.5 * (dets[0] - dets[1])
    return shell._replace(bound=bound, log_mass=mass)


@pytest.mark.parametrize("twin", ["none", "masses off by 5 %", "chords of the lower edges"])
def test_proposals_have_the_density_h_and_wrong_ones_are_told(twin):
    right, shells = of_edges(problem(width=1, known=False), twin)
    expected, _integral = of_bound(right)
    found, _kept = proposals(shells)
    surprise = worst(mean_z(functions(found), expected))
    assert surprise < LIMIT if twin == "none" else surprise > LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("known", KNOWN)
def test_proposals_have_the_density_h_and_its_integral(known):
    made = problem(width=2, known=known)
    expected, integral = of_bound(made)
    found, kept = proposals(made.shells)
    assert worst(mean_z(functions(found), expected)) < LIMIT
    mass = math.exp(made.shells.log_mass()) * 2 * math.pi
    assert worst(mean_z(kept, integral / mass)) < LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True])
def test_a_mean_of_the_tilt_that_is_too_small_is_told(known, monkeypatch):
    """Z̄ = 1 throughout: vectors no longer have their density."""
    made = problem(width=2, targets=2 * TARGETS, known=known)
    expected = grid_moments(made)[0]
    found, _ = kept_vectors(made, 40_000)
    assert worst(mean_z(functions(found), expected)) < LIMIT
    right = law._tilt
    monkeypatch.setattr(
        law, "_tilt", lambda *given: dataclasses.replace(right(*given), mean=np.float64(1.0))
    )
    wrong = problem(width=2, targets=2 * TARGETS, known=known)
    found, _ = kept_vectors(wrong, 40_000)
    assert worst(mean_z(functions(found), expected)) > LIMIT


def exact_units(made):
    """Probabilities of all the ways in which units can be, and the evidence, by a sum."""
    width, count = made.tilt.width, VALUES.shape[1]
    every = np.array(list(itertools.product(range(count), repeat=width)))
    logs = []
    for chosen in every:
        features = VALUES[:, chosen]
        covariance = features @ features.T / width + BIAS + np.diag(NOISE)
        logs.append(scipy.stats.multivariate_normal(cov=covariance).logpdf(TARGETS[:, 0]))
    weights = np.exp(logs)
    return every, weights / weights.sum(), math.log(weights.mean())


@pytest.mark.slow
def test_units_have_their_posterior_and_weights_the_evidence():
    width = 3
    made = problem(width, known=False)
    every, probabilities, evidence = exact_units(made)
    tilt_mean = np.exp(energies(made.tilt.vector, width)).mean()
    made = made.with_rest(tilt_mean - 1 - float(made.mean_energy), 0.0)

    def one(key):
        attempt = made.attempt(key, units)
        values = made.layer(key, units, attempt.log_kept == 0)["value"][0]
        features = jnp.asarray(VALUES)[:, values]
        kernel = features @ features.T / width + BIAS
        return attempt.log_kept + made.log_weight(kernel, jnp.max(jnp.abs(features))), values

    @in_double_precision
    def run(keys):
        return jax.jit(lambda keys: jax.lax.map(one, keys))(keys)

    logs, values = map(np.asarray, run(jax.random.split(jax.random.key(11), 60_000)))
    relative = np.exp(logs - float(made.log_constant))
    assert relative.max() <= 1
    assert worst(mean_z(relative, math.exp(evidence - float(made.log_constant)))) < LIMIT
    kept = np.random.default_rng(0).random(len(logs)) < relative
    number = np.ravel_multi_index(values[kept].T, [VALUES.shape[1]] * width)
    counts = np.bincount(number, minlength=len(every))
    order = np.ravel_multi_index(every.T, [VALUES.shape[1]] * width)
    p = scipy.stats.chisquare(counts[order], probabilities * counts.sum()).pvalue
    assert p > 1e-8
    flat = np.full(len(every), 1 / len(every))  # and the prior is told from it
    assert scipy.stats.chisquare(counts[order], flat * counts.sum()).pvalue < 1e-12


def sectors(key):
    """Units with two normals, whose direction is in one of as many sectors as there are values."""

    def draw(number):
        normals = jax.random.normal(jax.random.fold_in(key, number), (2, BATCH), jnp.float64)
        return Units({"normals": normals}, jnp.asarray(VALUES)[:, sector(normals)])

    return draw


def sector(normals):
    turns = jnp.arctan2(normals[1], normals[0]) / (2 * jnp.pi) + 0.5
    count = VALUES.shape[1]
    return jnp.minimum((turns * count).astype(int), count - 1)


@pytest.mark.slow
def test_units_of_free_radii_have_their_posterior_and_weights_the_evidence():
    """Two units: sums over their directions, quadrature over their squared radii, Exp(1)."""
    width, radius = 2, Radius(2.0)
    made = problem(width, radius=radius)
    tilt_mean = mean_exp(2.0, energies(made.tilt.vector, width)).mean()
    made = made.with_rest(tilt_mean - 1 - float(made.mean_energy), 0.0)

    def one(key):
        attempt = made.attempt(key, sectors)
        normals = made.layer(key, sectors, attempt.log_kept == 0)["normals"]
        squares, values = jnp.mean(normals**2, axis=0), sector(normals)
        features = jnp.asarray(VALUES)[:, values] * jnp.sqrt(squares)
        log_weight = made.log_weight(features @ features.T / width + BIAS, jnp.max(features))
        return attempt.log_kept + log_weight, values, squares

    @in_double_precision
    def run(keys):
        return jax.jit(lambda keys: jax.lax.map(one, keys))(keys)

    logs, values, squares = map(np.asarray, run(jax.random.split(jax.random.key(11), 60_000)))
    known, weights = free_radii(width)
    relative = np.exp(logs - float(made.log_constant))
    expected = weights.sum() / math.exp(float(made.log_constant))
    assert relative.max() <= 1
    assert worst(mean_z(relative, expected)) < LIMIT
    kept = np.random.default_rng(0).random(len(logs)) < relative
    found = statistics(values[kept], squares[kept])
    assert worst(mean_z(found, weights @ known / weights.sum())) < LIMIT
    assert worst(mean_z(found, weights @ known / weights.sum() + 0.05)) > LIMIT


def statistics(values, squares):
    each = [values == i for i in range(VALUES.shape[1])]
    return np.stack([*(e[:, 0] for e in each), squares[:, 0], np.prod(squares, axis=1),
                     *(e[:, 1] * squares[:, 1] for e in each)], axis=1).astype(float)  # fmt: skip


def free_radii(width):
    """Statistics of a grid of directions and squared radii, and its likelihoods' weights."""
    nodes, shares = np.polynomial.laguerre.laggauss(40)
    every = list(itertools.product(range(VALUES.shape[1]), range(40), repeat=width))
    values, places = np.array(every)[:, ::2], np.array(every)[:, 1::2]
    squares = nodes[places]
    features = VALUES[:, values] * np.sqrt(squares)
    kernels = np.einsum("isu,jsu->sij", features, features) / width
    covariances = kernels + BIAS + np.diag(NOISE)
    quadratic = TARGETS[:, 0] @ np.linalg.inv(covariances) @ TARGETS[:, 0]
    logs = -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * covariances)[1])
    weights = np.exp(logs) * np.prod(shares[places], axis=1) / VALUES.shape[1] ** width
    return statistics(values, squares), weights


def test_units_beyond_their_bound_are_told():
    made = problem(bound=0.7)
    features = jnp.asarray(VALUES)
    kernel = features @ features.T / 5 + BIAS
    assert made.log_weight(kernel, jnp.max(jnp.abs(features))) > made.log_constant
    assert made.log_weight(kernel, jnp.asarray(0.69)) <= made.log_constant
