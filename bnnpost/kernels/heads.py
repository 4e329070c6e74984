"""Attention whose number of heads does not grow."""

import warnings

from bnnpost.networks.attention_parts import fixed_heads
from bnnpost.networks.layers import Layer


class HeadsWarning(UserWarning):
    """The network with its number of heads does not converge to the kernel that was asked for."""


def warn_of_heads(network: Layer) -> None:
    """Warns with HeadsWarning where scores over √d meet a fixed number of heads."""
    heads = fixed_heads(network)
    if heads:
        named = " and ".join(f"{count} head{'s' * (count > 1)}" for count in heads)
        warnings.warn(
            f"attention with scores over √d and {named} does not converge to a Gaussian process "
            "as it grows wide: scores stay random, and outputs are a mixture over them (Hron et "
            "al. 2020). The kernel is that of a growing number of heads: use heads=None, which "
            "grows with the width, or scaling='linear', whose limit is Gaussian for any number",
            HeadsWarning,
            stacklevel=4,
        )
