"""Attention with scores over √d against scores that numpy draws from their whole covariance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bnnpost import SelfAttention
from bnnpost.networks.attention import with_sampling
from bnnpost.networks.covariance import Covariance

P, STDS, VALUE_VAR, BIAS = 3, 1.3 * 0.9, (1.1 * 0.8) ** 2, 0.2
# Seeds are fixed; were they random, one of 18 entries would be off by more than this with
# probability 0.001 at most.
Z, NUM_DRAWS, KNOWN_DRAWS = 4.0, 2048, 20_000


def gram(seed):
    """A covariance over the positions of two inputs, [2, 2, p, p]."""
    root = np.random.default_rng(seed).normal(size=(2 * P, 2 * P + 1)) / np.sqrt(2 * P)
    return (root @ root.T).reshape(2, P, 2, P).transpose(0, 2, 1, 3)


K, THETA = gram(0), gram(1)


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_jacobian(s):
    g = softmax(s)
    return np.eye(P) * g[..., None] - g[..., None] * g[..., None, :]


# Each mechanism and its Jacobian, ∂G[p, k]/∂S[p, m].
MECHANISMS = {
    "softmax": (softmax, softmax_jacobian),
    "relu": (lambda s: np.maximum(s, 0), lambda s: np.eye(P) * (s > 0)[..., None]),
    "abs": (np.abs, lambda s: np.eye(P) * np.sign(s)[..., None]),
}


def estimate(draws):
    return np.mean(draws, axis=0), np.std(draws, axis=0) / np.sqrt(len(draws))


def known(mechanism, slopes=True):
    """K′ and Θ′ between the first input and the second, each with its standard error."""
    attend, jacobian = MECHANISMS[mechanism]
    whole = STDS**2 * np.einsum("ijpq,ijkl->ipkjql", K, K).reshape(2 * P * P, 2 * P * P)
    values, vectors = np.linalg.eigh(whole)
    normals = np.random.default_rng(2).normal(size=(KNOWN_DRAWS, len(whole)))
    scores = (normals * np.sqrt(np.maximum(values, 0))) @ vectors.T
    s1, s2 = scores.reshape(-1, 2, P, P).transpose(1, 0, 2, 3)
    k, theta = K[0, 1], THETA[0, 1]
    cross = np.einsum("npk,kl,nql->npq", attend(s1), k, attend(s2))
    tangent = np.einsum("npk,kl,nql->npq", attend(s1), theta, attend(s2)) + 2 * cross
    if slopes:
        of_scores = STDS**2 * (
            np.einsum("pq,kl->pkql", k, k + theta) + np.einsum("pq,kl->pkql", k + theta, k)
        )
        j1, j2 = jacobian(s1), jacobian(s2)
        through = np.einsum("npkm,kl->nplm", j1, k)
        tangent = tangent + np.einsum("nplm,nqlo,pmqo->npq", through, j2, of_scores, optimize=True)
    return [estimate(BIAS**2 + VALUE_VAR * draws) for draws in (cross, tangent)]


def covariance(mechanism, together=True):
    layer = SelfAttention(
        4,
        mechanism=mechanism,
        scaling="sqrt",
        key_std=1.3,
        query_std=0.9,
        value_std=1.1,
        out_std=0.8,
        b_std=BIAS,
        num_draws=NUM_DRAWS,
    )
    with jax.enable_x64(True):
        within = jnp.asarray(K[[0, 1], [0, 1]])
        state = Covariance(
            jnp.asarray(K), within, within, tangent=jnp.asarray(THETA), grid=(P,), all_pairs=True
        )
        layer = with_sampling(layer, jax.random.key(0), together)
        return jax.jit(lambda layer, k: layer.covariance(k))(layer, state)


def z_scores(mechanism, k, **how):
    """Of the covariance and of the tangent, where our draws are as noisy as numpy's each."""
    own = np.sqrt(1 + (KNOWN_DRAWS / NUM_DRAWS if mechanism == "softmax" else 0))
    return [
        np.max(np.abs(np.asarray(found)[0, 1] - value) / (own * error))
        for found, (value, error) in zip((k.cross, k.tangent), known(mechanism, **how), strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_kernel_and_tangent_are_those_of_the_scores(mechanism):
    k = covariance(mechanism)
    assert max(z_scores(mechanism, k)) < Z
    assert np.allclose(k.within1, np.asarray(k.cross)[[0, 1], [0, 1]], rtol=1e-12)
    # A tangent without what reaches the scores is another.
    assert z_scores(mechanism, k, slopes=False)[1] > Z


@pytest.mark.slow
def test_two_at_a_time_gives_the_same():
    assert max(z_scores("softmax", covariance("softmax", together=False))) < Z
