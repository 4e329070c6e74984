"""Everything that reads a sweep or a grid, held against what it gives where no harm came to it."""

import re

import bnnpost
from bnnpost.storage import dataset_digest
from bnnpost.sweeps import load_results
from tests.cli.invocation import invoke
from tests.cli.looks import Looks, is_clear


class SweepLooks(Looks):
    """Of a run of bnnpost sweep. config: the file that it is of. inputs: a file of inputs."""

    def __init__(self, run, config, inputs, folder):
        super().__init__(run, folder)
        self.config, self.inputs = config, inputs
        self.cells = [cell.path.relative_to(self.target) for cell in load_results(self.target)]
        self.whole = {name: self._value(name) for name in ("load", "draws")}
        self.text = {name: self._text(name)[1] for name in ("status", "predict", "report")}
        assert all(self.text.values())

    def _value(self, name):
        if name == "load":
            return [
                (cell.status, cell.config, cell.tree and dataset_digest(cell.tree))
                for cell in load_results(self.target)
            ]
        files = [self.target / cell / f"draws_{w:06d}.nc" for cell in self.cells for w in (4, 8)]
        return [bnnpost.load(file).proposal_numbers.tolist() for file in files]

    def load(self):
        try:
            found = self._value("load")
        except (OSError, ValueError) as error:
            return self.unclear(error)
        if found == self.whole["load"]:
            return ""
        reasons = " ".join(cell.detail.reason for cell in load_results(self.target))
        return "" if reasons else "gives other results"

    def draws(self):
        try:
            return "" if self._value("draws") == self.whole["draws"] else "gives other draws"
        except (OSError, ValueError) as error:
            return self.unclear(error)

    def _text(self, name):
        """What a command gives, and the command as it ended."""
        if name == "status":
            done = invoke("sweep", "status", self.target)
        elif name == "predict":
            done = invoke("predict", self.target / self.cells[0], "--x", self.inputs)
        else:
            return self.reported()
        return done, done.stdout

    def _shown(self, name, words):
        done, text = self._text(name)
        if done.exit_code != 0:
            return self._told(done)
        said = "bnnpost: warning: " in done.stderr or re.search(words, text)
        return "" if text == self.text[name] or said else "shows something else without a word"

    def status(self):
        return self._shown("status", r"\n    \S")  # a reason below a line

    def predict(self):
        return self._shown("predict", "(?!)")

    def report(self):
        return self._shown("report", "What is missing")

    def resume(self):
        return self._gone_on_with(invoke("sweep", "resume", self.target))

    def again(self):
        return self._gone_on_with(invoke("sweep", self.config, "--out", self.target))

    def assembly(self):
        """The same, where the results are to be put together."""
        (self.target / self.cells[0] / "results.nc").unlink(missing_ok=True)
        return self.again()

    def _gone_on_with(self, done):
        if done.exit_code != 0:
            return self._told(done)
        found = self._value("load")
        return "" if found == self.whole["load"] else "comes to other results"

    def _told(self, done):
        """Lines of a documented end, of which one names a file or directory."""
        lines = [line for line in done.stderr.splitlines() if line.startswith("bnnpost: ")]
        clear = [line for line in lines if is_clear(line, self.target)]
        bare = re.search(r"Traceback|\w+Error\b|where it came from", done.stderr)
        fine = done.exit_code in (1, 2, 5) and clear and not bare
        return "" if fine else f"ends with {done.exit_code} and says {done.stderr!r}"
