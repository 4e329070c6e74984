"""What was found out of a cell's chances, as its directory keeps it."""

import contextlib
import dataclasses
import json
from collections.abc import Collection
from dataclasses import dataclass

from bnnpost.storage import read_json
from bnnpost.sweeps.claims import Claim
from bnnpost.sweeps.directory import RunDirectory

FEASIBLE = "feasible.json"


@dataclass(frozen=True)
class Judgement:
    """Whether a cell may be run, found out once for these widths.

    refusal: why not, in a line. hopeless: because draws would take too long, or could not be
    compared with a limit; else because of an error.
    """

    widths: tuple[int, ...] = ()
    refusal: str = ""
    hopeless: bool = True

    def covers(self, widths: Collection[int]) -> bool:
        """Whether nothing has to be found out for these widths.

        What may be run may be run in part; what is refused, for one width perhaps, may not be
        refused without it.
        """
        asked, known = set(widths), set(self.widths)
        return asked == known if self.refusal else asked <= known

    def write(self, directory: RunDirectory) -> None:
        """Into the cell's directory."""
        directory.write_text(FEASIBLE, json.dumps(dataclasses.asdict(self), indent=2) + "\n")


def judgement(directory: RunDirectory) -> Judgement:
    """What was found out about a cell; of no widths if nothing was."""
    try:
        found = read_json(directory.path / FEASIBLE)
        return Judgement(tuple(found["widths"]), str(found["refusal"]), bool(found["hopeless"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Judgement()


def judging(directory: RunDirectory) -> Claim:
    """By which one process judges a cell and the others wait."""
    return Claim(directory.path, "feasible")


def forget_judgement(directory: RunDirectory) -> None:
    """Let a cell that was refused, or at which processes died, be judged again."""
    with contextlib.suppress(OSError), judging(directory).forgotten():
        if judgement(directory).refusal:
            (directory.path / FEASIBLE).unlink(missing_ok=True)
