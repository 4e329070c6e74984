"""Random bits: the threshold's exact values, the limits of the normals, the rows' keys."""

import itertools
import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.stats
from jax.extend.random import define_prng_impl

from bnnpost.numerics import random
from tests.samplers import checks

ALL = 0xFFFFFFFF
EXPONENTS = [
    [0, 0, 0, 0],
    [ALL, ALL, ALL, ALL],
    # The highest and the lowest bit of every word alone, and with everything after it set.
    *(
        [0] * i + [bit] + [rest] * (3 - i)
        for i in range(4)
        for bit in (1 << 31, 1)
        for rest in (0, ALL)
    ),
    [0, 0x00012345, 7, 9],
]
# 0x1000 is the lowest mantissa bit that is used, 0xFFF holds the twelve that are not.
MANTISSAS = [[0, 0], [ALL, ALL], [1 << 31, 0], [0, 0x1000], [0, 0xFFF], [ALL, 0xFFFFF000], [1, 2]]
CRAFTED = np.array([e + m for e, m in itertools.product(EXPONENTS, MANTISSAS)], np.uint32)


def exact_threshold(words):
    """−log U to 40 digits, U = 2^−(z+1) (1 + m) from the words as one whole number."""
    bits = sum(int(word) << (32 * (3 - i)) for i, word in enumerate(words[:4]))
    leading_zeros = 128 - bits.bit_length()
    fraction = 2 * ((int(words[4]) << 20) + (int(words[5]) >> 12)) + 1
    with mpmath.workdps(40):
        u = (1 + mpmath.mpf(fraction) / 2**53) / mpmath.mpf(2) ** (leading_zeros + 1)
        return -mpmath.log(u)


def largest_error(exponential):
    """The largest error over the crafted words, in units of rounding of the larger term."""
    with jax.enable_x64(True):
        values = np.asarray(jax.vmap(exponential)(jnp.asarray(CRAFTED)), np.float64)
    exact = [exact_threshold(words) for words in CRAFTED]
    units = [max(1.0, float(e)) * np.finfo(float).eps for e in exact]
    errors = [abs(float(v - e)) / u for v, e, u in zip(values, exact, units, strict=True)]
    return max(errors)


def uniform_float32(words):
    """What jax.random.uniform makes of one word in float32: a multiple of 2^−23, 0 included."""
    return (words[0] >> 9).astype(jnp.float32) * jnp.float32(2.0**-23)


def naive_log(words):
    return -jnp.log(uniform_float32(words))


def naive_exponential(words):
    return -jnp.log1p(-uniform_float32(words))


def test_threshold_of_crafted_bits_is_exact():
    assert largest_error(random.exponential_from_bits) <= 4


@pytest.mark.parametrize("naive", [naive_log, naive_exponential])
def test_thresholds_from_a_float32_uniform_fail_on_the_crafted_bits(naive):
    assert largest_error(naive) > 1e6


def test_threshold_reaches_as_far_as_its_docstring_says():
    exact = [float(exact_threshold(words)) for words in CRAFTED]
    assert max(exact) == pytest.approx(129 * math.log(2))
    assert sorted({round(e / math.log(2)) for e in exact if e > 88.7}) == [128, 129]


def fraction_of(thresholds):
    """The mantissa fraction m of U = 2^−(z+1) (1 + m): uniform, and independent of z."""
    u = np.exp(-thresholds)
    return 2 * np.frexp(u)[0] - 1, -np.frexp(u)[1]


@pytest.fixture(scope="module")
def thresholds():
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(5), 2**18)
        return np.asarray(jax.vmap(random.exponential)(keys))


@pytest.mark.slow
def test_thresholds_are_exponential(thresholds):
    assert checks.uniform_z(scipy.stats.expon.cdf(thresholds)) < checks.LIMIT
    assert checks.worst(checks.mean_z(thresholds, 1.0)) < checks.LIMIT
    assert checks.worst(checks.variance_z(thresholds, 1.0)) < checks.LIMIT


def test_mantissas_are_uniform_and_independent_of_the_exponents(thresholds):
    fractions, exponents = fraction_of(thresholds)
    for exponent in range(4):
        assert checks.uniform_z(fractions[exponents == exponent]) < checks.LIMIT
    for exponent in range(12):
        expected = len(thresholds) * 2.0 ** -(exponent + 1)
        assert checks.poisson_z(np.sum(exponents == exponent), expected) < checks.LIMIT


def key_of_constant_bits(word):
    """A typed key of which every random bit string is `word` over and over."""

    def bits(key, bit_width, shape):
        dtype = jnp.dtype(f"uint{bit_width}")
        return jnp.full(shape, word & (2**bit_width - 1), dtype)

    implementation = define_prng_impl(
        key_shape=(1,),
        seed=lambda seed: jnp.zeros(1, jnp.uint32),
        split=lambda key, shape: jnp.zeros((*shape, 1), jnp.uint32),
        random_bits=bits,
        fold_in=lambda key, data: key,
        name=f"constant {word:x}",
    )
    return jax.random.key(0, impl=implementation)


@pytest.mark.parametrize(
    ("precision", "limit", "tail"), [("single", 5.42, 24), ("double", 8.29, 53)]
)
def test_normals_are_limited_as_the_documentation_says(precision, limit, tail):
    with jax.enable_x64(True):
        dtype = random.FEATURE_DTYPES[precision]
        lowest, highest = (
            random.row_normals(key_of_constant_bits(word), 1, 1, dtype)[0, 0]
            for word in (0, 2**64 - 1)
        )
    # The lowest uniform is the number after −1, 2^−tail above it.
    assert float(lowest) == pytest.approx(scipy.stats.norm.ppf(2.0 ** -(tail + 1)), rel=1e-5)
    assert float(lowest) == pytest.approx(-limit, abs=0.005)
    assert 0.9 * limit < float(highest) <= limit


def test_crafted_bits_reach_the_threshold_through_its_key():
    with jax.enable_x64(True):
        largest = float(random.exponential(key_of_constant_bits(0)))
        smallest = float(random.exponential(key_of_constant_bits(2**64 - 1)))
    assert largest == pytest.approx(129 * math.log(2), rel=1e-15)
    assert smallest == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_row_normals_extend_and_differ_by_row(dtype):
    with jax.enable_x64(True):
        few = np.asarray(random.row_normals(jax.random.key(1), 3, 16, dtype))
        many = np.asarray(random.row_normals(jax.random.key(1), 40, 16, dtype))
    assert few.dtype == dtype
    np.testing.assert_array_equal(many[:3], few)
    assert np.unique(many).size == many.size
    assert checks.normal_z(many) < checks.LIMIT


def test_fold_number_tells_64_bit_numbers_apart():
    numbers = [0, 1, 2**32 - 1, 2**32, 2**32 + 1, 2**40, 2**63, 2**64 - 1]
    with jax.enable_x64(True):
        keys = [random.fold_number(jax.random.key(0), jnp.uint64(number)) for number in numbers]
    data = {tuple(np.asarray(jax.random.key_data(key)).tolist()) for key in keys}
    assert len(data) == len(numbers)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (lambda: jax.random.PRNGKey(0), "wrap_key_data"),
        (lambda: jax.random.split(jax.random.key(0), 3), "one of them"),
        (lambda: 0, "jax.random.key"),
        (lambda: np.zeros(2, np.uint32), "jax.random.key"),
    ],
)
def test_keys_that_are_refused_with_the_cure_named(key, message):
    with pytest.raises(TypeError, match=message):
        random.require_key(key())


def test_a_seed_has_64_bits_and_below_two_to_the_32_the_key_that_jax_gives():
    for seed in (0, 7, 2**31, 2**32 - 1):
        assert random.key_of_seed(seed) == jax.random.key(seed)
    seeds = (0, 2**32, 2**32 - 1, 2**63, 2**64 - 1, np.uint64(2**40 + 3))
    words = {seed: jax.random.key_data(random.key_of_seed(seed)).tolist() for seed in seeds}
    assert all(words[seed] == [int(seed) >> 32, int(seed) & ALL] for seed in seeds)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, True, "0", None])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises((TypeError, ValueError), match="expected seed to be"):
        random.key_of_seed(seed)
