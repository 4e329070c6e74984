"""Results that describe themselves once, for text, page and JSON."""

import abc
from typing import Any

from bnnpost.summaries.summary import Summary


class Described(abc.ABC):
    """A result of which there is one description, and all that people and programs read of it."""

    @abc.abstractmethod
    def describe(self) -> Summary:
        """Return the description, of which text, page and JSON are made."""

    def __str__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the text: what was found first, then what it rests on."""
        return str(self.describe())

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; numbers that are not finite are None."""
        return self.describe().to_dict()
