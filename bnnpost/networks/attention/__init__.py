"""Self-attention: the layer, its encodings of positions, and its kernel maps."""

from bnnpost.networks.attention.drawn import Sampling
from bnnpost.networks.attention.layer import (
    NUM_DRAWS,
    SelfAttention,
    draws_scores,
    fixed_heads,
    with_sampling,
)
from bnnpost.networks.attention.position_encodings import PositionEncoding

__all__ = [
    "NUM_DRAWS", "PositionEncoding", "Sampling", "SelfAttention", "draws_scores",
    "fixed_heads", "with_sampling",
]  # fmt: skip
