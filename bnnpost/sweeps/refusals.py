"""What keeps a sweep from running, or from ending as asked."""

from bnnpost.settings import ConfigError, in_a_grid

__all__ = ["ConfigError", "HopelessRun", "in_a_grid"]


class HopelessRun(ValueError):
    """A run that is expected to need more proposals than it may; refused before it starts."""
