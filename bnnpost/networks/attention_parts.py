"""The attention layers of a network: which need draws, and which have no Gaussian limit."""

import itertools

import equinox as eqx
import jax
from jaxtyping import Array

from bnnpost.networks.attention import SelfAttention
from bnnpost.networks.attention_drawn import Sampling
from bnnpost.networks.layers import Layer


def _is_attention(node: object) -> bool:
    return isinstance(node, SelfAttention)


def attention_parts(network: Layer) -> list[SelfAttention]:
    """The attention layers of a network, as it lists them."""
    nodes = jax.tree.leaves(network, is_leaf=_is_attention)
    return [node for node in nodes if isinstance(node, SelfAttention)]


def draws_scores(network: Layer) -> bool:
    """Whether the limit's kernel is an estimate from drawn scores."""
    return any(layer.is_drawn for layer in attention_parts(network))


def with_sampling(network: Layer, key: Array, together: bool) -> Layer:
    """The network whose attention layers draw from keys of their own, one for each."""
    count = itertools.count()

    def replaced(node: object) -> object:
        if not isinstance(node, SelfAttention) or not node.is_drawn:
            return node
        sampling = Sampling(jax.random.fold_in(key, next(count)), together)
        return eqx.tree_at(
            lambda layer: layer.sampling, node, sampling, is_leaf=lambda part: part is None
        )

    return jax.tree.map(replaced, network, is_leaf=_is_attention)


def fixed_heads(network: Layer) -> list[int]:
    """Numbers of heads that do not grow with the width where a Gaussian limit needs that."""
    return [
        layer.heads
        for layer in attention_parts(network)
        if layer.heads is not None and not layer.tied
    ]
