"""Spaces: the posterior as a prior draw with a log weight and an upper bound of it."""

from bnnpost.spaces.limit import Limit, limit
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Space

__all__ = ["Limit", "Space", "limit", "make_space"]
