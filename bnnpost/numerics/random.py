"""Counter-based random numbers: typed keys, row-keyed normals, a threshold whose tail is right."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt

from bnnpost.arguments import shown, whole_number

# Words of random bits spent on one threshold: four for the exponent, two for the mantissa.
THRESHOLD_WORDS = 6
_EXPONENT_WORDS = 4
_LOW_MANTISSA_BITS = 20

# float32 standard normals never exceed 5.42 in size, float64 ones 8.29: JAX inverts the
# normal CDF at a uniform of 23 or 52 bits.
FEATURE_DTYPES: dict[str, Any] = {"single": jnp.float32, "double": jnp.float64}


def require_precision(name: object) -> str:
    """`name` if it is a precision, "single" or "double"; raises ValueError."""
    if not isinstance(name, str) or name not in FEATURE_DTYPES:
        raise ValueError(f"expected precision to be {' or '.join(FEATURE_DTYPES)}, got {name!r}")
    return name


def require_key(key: object) -> Array:
    """Return `key` if it is one typed JAX key.

    Raises TypeError for a legacy (raw uint32) key, an array of keys, or anything else.
    """
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        if key.shape == ():
            return _counter_based(key)
        raise TypeError(
            f"expected one key, got an array of keys of shape {key.shape}; "
            "pass one of them, or jax.vmap over them"
        )
    raise TypeError(
        f"expected a typed key such as jax.random.key(0), got {type(key).__name__}; "
        "a legacy key from jax.random.PRNGKey is made typed by jax.random.wrap_key_data(key)"
    )


def key_of_seed(seed: object) -> Array:
    """The key of a seed of up to 64 bits; below 2³² it is jax.random.key(seed).

    Raises TypeError for what is no whole number, ValueError for one that is out of range.
    """
    number = whole_number("seed", seed)
    if not 0 <= number < 2**64:
        raise ValueError(f"expected seed to be from 0 to {2**64 - 1}, got {shown(number)}")
    with jax.enable_x64(True):  # else JAX leaves the upper half out
        return jax.random.key(np.uint64(number))


def _counter_based(key: Array) -> Array:
    name = str(jax.random.key_impl(key))
    if name != "threefry2x32":
        raise TypeError(
            f"expected a key of JAX's default generator, threefry2x32, got one of {name}, whose "
            "numbers depend on how many are drawn at once: use jax.random.key(seed, "
            'impl="threefry2x32")'
        )
    return key


def fold_number(key: Array, number: Array) -> Array:
    """Fold a 64-bit whole number into a key, as its high and then its low 32 bits."""
    number = jnp.asarray(number, jnp.uint64)
    high = (number >> 32).astype(jnp.uint32)
    low = (number & 0xFFFFFFFF).astype(jnp.uint32)
    return jax.random.fold_in(jax.random.fold_in(key, high), low)


def row_normals(key: Array, num_rows: int, width: int, dtype: Any) -> Float[Array, "r w"]:
    """Standard normals of shape [num_rows, width] whose row i depends on `key` and i alone.

    Asking for more rows therefore never changes the ones that came before.
    """
    keys = jax.vmap(lambda row: jax.random.fold_in(key, row))(
        jnp.arange(num_rows, dtype=jnp.uint32)
    )
    return jax.vmap(lambda row_key: jax.random.normal(row_key, (width,), dtype))(keys)


def exponential_from_bits(words: UInt[Array, "6"]) -> Float[Array, ""]:
    """An Exp(1) variable, −log U, from six 32-bit words, in double precision.

    U = 2^−(z+1) (1 + m) with z the leading zeros of the first 128 bits (so that each
    halving of U has its own fresh bit) and m a 52-bit fraction from the last two words. The
    tail P(E > t) = e^−t holds up to t = 88.7, where a float32 uniform, which is 0 with
    probability 2^−23, is wrong from t = 15.9 on. Call it under double precision.
    """
    zeros = jax.lax.clz(words[:_EXPONENT_WORDS]).astype(jnp.int32)
    all_before_zero = jnp.cumprod(jnp.concatenate([jnp.ones(1, jnp.int32), zeros[:-1] == 32]))
    leading = jnp.sum(zeros * all_before_zero)
    high = words[_EXPONENT_WORDS].astype(jnp.float64)
    low = (words[_EXPONENT_WORDS + 1] >> (32 - _LOW_MANTISSA_BITS)).astype(jnp.float64)
    fraction = (high + (low + 0.5) * 2.0**-_LOW_MANTISSA_BITS) * 2.0**-32
    return (leading + 1) * np.log(2.0) - jnp.log1p(fraction)


def exponential(key: Array) -> Float[Array, ""]:
    """An Exp(1) variable with an exact tail; see `exponential_from_bits`."""
    return exponential_from_bits(jax.random.bits(key, (THRESHOLD_WORDS,), jnp.uint32))
