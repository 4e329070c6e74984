"""Spaces: the posterior as a prior draw with a log weight and an upper bound of it."""

from bnnpost.spaces.limit import Limit, limit
from bnnpost.spaces.space import Space, make_space

__all__ = ["Limit", "Space", "limit", "make_space"]
