"""What was found out of a cell's chances, as its directory keeps it."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

from bnnpost.sweeps.cell_directory import CellDirectory

FEASIBLE = "feasible.json"


@dataclass(frozen=True)
class Judgement:
    """Whether a cell may be run, found out once for these widths.

    refusal: why not. hopeless: because draws would take too long, or could not be compared with
    a limit; else because of an error.
    """

    widths: tuple[int, ...] = ()
    refusal: str = ""
    hopeless: bool = True

    def allows(self, widths: Collection[int]) -> bool:
        """Whether these widths, or more with them, were found to be feasible."""
        return not self.refusal and set(widths) <= set(self.widths)

    def write(self, directory: CellDirectory) -> None:
        """Into the cell's directory."""
        directory.write_bound(FEASIBLE, dataclasses.asdict(self))


def judgement(directory: CellDirectory) -> Judgement:
    """What was found out about a cell; of no widths if nothing was."""
    found = directory.known(FEASIBLE)
    try:
        return Judgement(tuple(found["widths"]), str(found["refusal"]), bool(found["hopeless"]))
    except (KeyError, TypeError):
        return Judgement()
