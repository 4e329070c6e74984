"""One list of names over the shipped sets and the generators."""

from __future__ import annotations

from bnnpost.datasets.generators import GENERATORS
from bnnpost.datasets.shipped import SHIPPED, load_shipped
from bnnpost.datasets.table import DataError, Dataset, name_hint


def names() -> tuple[str, ...]:
    """Return every name that load takes: the shipped sets, then the generators."""
    return (*SHIPPED, *GENERATORS)


def load(name: str) -> Dataset:
    """Return the shipped set, or the generator's set at its default arguments, called name.

    x is [row, feature]; y is [row], or one-hot [row, class] for a classification set.
    Raises DataError, with the known and the close names, if nothing is called that.
    """
    if name in SHIPPED:
        return load_shipped(name)
    if name in GENERATORS:
        return GENERATORS[name]()
    raise DataError(
        f"no data set is called {name!r}{name_hint(name, names())} Known names are: "
        f"{', '.join(names())}; a file of your own is read with bnnpost.datasets.read"
    )
