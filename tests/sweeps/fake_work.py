"""Units of a grid that take no time: what is drawn and compared is left out, all else is real."""

import time
from dataclasses import dataclass, field

from bnnpost.samplers.cost import Expectation, HopelessRun
from bnnpost.sweeps import unit_work
from bnnpost.sweeps.grid import grid_of
from bnnpost.sweeps.problem import check_comparable
from tests.reports import made_up

# Two cells of two widths.
VALUES = {"num_train": 2, "num_test": 1, "widths": [4, 8], "grid": {"depth": [1, 2]}}


def grid(**changes):
    """The grid of two depths and two widths, with changes."""
    return grid_of({**VALUES, **changes})


@dataclass
class Fake:
    """Counts units that were run, as (depth, width).

    raises: what a unit raises, attempt after attempt; judging: what looking at cells raises, one
    after another. hopeless: depths of cells to be refused, for their width 8. short: units whose
    draws are cut short. seconds: what each takes.
    """

    ran: list[tuple[int, int]] = field(default_factory=list)
    judged: list[int] = field(default_factory=list)
    raises: dict[tuple[int, int], list[BaseException]] = field(default_factory=dict)
    judging: list[BaseException] = field(default_factory=list)
    hopeless: tuple[int, ...] = ()
    short: tuple[tuple[int, int], ...] = ()
    seconds: float = 0.0

    def install(self, monkeypatch):
        """Put it in the place of what takes time."""
        for name in ("feasible", "one_width", "put_together"):
            monkeypatch.setattr(unit_work, name, getattr(self, name))
        return self

    def feasible(self, sent, widths, timed, force, progress):
        depth = sent.problem.config.depth
        self.judged.append(depth)
        if self.judging:
            raise self.judging.pop(0)
        if depth in self.hopeless and 8 in widths and not force:
            raise HopelessRun("width 8 is expected to need 1e+20 proposals.\nMore advice.")
        check_comparable(sent.problem)
        expected = Expectation("functions", "collapsed", 7, 0.1, 70.0, 0.5, "pilot", -7.5, -7.6)
        return unit_work.Feasible(dict.fromkeys(widths, expected), ())

    def one_width(self, sent, width, progress):
        unit = (sent.problem.config.depth, width)
        self.ran.append(unit)
        if self.raises.get(unit):
            raise self.raises[unit].pop(0)
        time.sleep(self.seconds)
        config = sent.problem.config
        numbers = {"num_samples": 7, "num_proposals": 70}
        data = made_up.width_file(config, width, **numbers).assign(tv=config.seed + 1.0 / width)
        return unit_work.Width(data, unit not in self.short, 0.5, 1.5)

    def put_together(self, sent, found):
        fit = made_up.rates().assign_attrs(fitted_from_width=min(found))
        tree = made_up.tree(sent.problem.config, fit=fit)
        tv = [float(data["tv"]) for data in found.values()]
        tree["distances"] = tree["distances"].to_dataset().assign(tv=("width", tv))
        return unit_work.Whole(tree, (), {"distances.png": b"a figure"}, "")
