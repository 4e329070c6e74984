"""Stan programs of the zoo's kind, evaluated from their text in plain numpy, in double precision.

Reads what these programs are made of and nothing else: anything more is an error.
"""

import re

import numpy as np
from scipy import special, stats

BLOCKS = ("functions", "data", "parameters", "model", "generated quantities")
_LOOP = re.compile(r"for \((\w+) in 1:(\w+)\) ")
_DECLARED = re.compile(r"(?:array\[(.+?)\] )?(\w+)(?:<[^>]*>)?(?:\[(.+?)\])? (\w+)(?: = (.+))?")


class Values(np.ndarray):
    """Matrices and vectors with Stan's product and with places that count from 1."""

    def __mul__(self, other):
        if np.ndim(other) == 0:
            return np.multiply(self, other)
        assert self.ndim == np.ndim(other) == 2, "a product of other things than matrices"
        return np.matmul(self, other)

    def __rmul__(self, other):
        assert np.ndim(other) == 0
        return np.multiply(self, other)

    def __getitem__(self, place):
        places = place if isinstance(place, tuple) else (place,)
        found = np.asarray(self)[tuple(p if isinstance(p, slice) else p - 1 for p in places)]
        return found.view(Values) if np.ndim(found) else found


def _values(array):
    return np.asarray(array).view(Values) if np.ndim(array) else array


def _sum(function):
    return lambda *arguments: float(np.sum(function(*map(np.asarray, arguments))))


FUNCTIONS = {
    "erf": lambda x: _values(special.erf(np.asarray(x))),
    "tanh": lambda x: _values(np.tanh(np.asarray(x))),
    "fmax": lambda x, y: _values(np.maximum(np.asarray(x), y)),
    "sqrt": np.sqrt,
    "log": np.log,
    "rows": len,
    "rep_matrix": lambda row, n: _values(np.tile(np.asarray(row), (n, 1))),
    "to_vector": lambda x: _values(np.asarray(x).ravel(order="F")),
    "normal_lpdf": _sum(stats.norm.logpdf),
    "student_t_lpdf": _sum(lambda x, df, loc, std: stats.t.logpdf(x, df, loc, std)),
    "gamma_lpdf": _sum(lambda x, shape, rate: stats.gamma.logpdf(x, shape, scale=1 / rate)),
    "normal_lcdf": _sum(lambda x, loc, std: special.log_ndtr((x - loc) / std)),
    "bernoulli_logit_lpmf": _sum(lambda y, f: special.log_expit((2 * y - 1) * f)),
    "categorical_logit_lpmf": _sum(lambda y, f: special.log_softmax(f)[y - 1]),
}


class Program:
    """The blocks of a program, each a list of statements. Raises AssertionError for bad syntax."""

    def __init__(self, text):
        for opening, closing in ("{}", "()", "[]"):
            assert text.count(opening) == text.count(closing)
        code = "\n".join(line for line in text.splitlines() if not line.startswith("//"))
        found = re.findall(r"^(\w[\w ]*) \{\n(.*?)^\}\n?", code, re.M | re.S)
        assert tuple(name for name, _ in found) == BLOCKS
        assert re.sub(r"^(\w[\w ]*) \{\n(.*?)^\}\n?", "", code, flags=re.M | re.S).strip() == ""
        self.blocks = {name: [line.strip() for line in body.splitlines()] for name, body in found}
        for name in BLOCKS[1:]:
            assert all(line.endswith(";") for line in self.blocks[name])
        header, *body, end = self.blocks["functions"]
        matched = re.fullmatch(r"matrix network\((.*)\) \{", header)
        assert matched and end == "}" and all(line.endswith(";") for line in body)
        self.arguments = [one.split(" ")[1] for one in matched[1].split(", ")]
        self.body = body

    def parameters(self, rng, data):
        """Random values of every parameter, of the shapes declared; positive where they must be."""
        found = {}
        for line in self.blocks["parameters"]:
            _, _, dims, name, _ = _DECLARED.fullmatch(line[:-1]).groups()
            shape = tuple(_evaluated(dim, data) for dim in dims.split(", ")) if dims else ()
            value = rng.normal(size=shape)
            found[name] = _values(np.abs(value) if "<lower=0>" in line else value)
        return found

    def data(self, given):
        """The data, each of the shape that is declared for it, and nothing else."""
        found = {}
        for line in self.blocks["data"]:
            _declare(line, found, {**found, **{k: np.array(v) for k, v in given.items()}})
        assert set(found) == set(given)
        return found

    def network(self, *arguments):
        values = dict(zip(self.arguments, arguments, strict=True))
        for line in self.body[:-1]:
            _declare(line, values, values)
        return _evaluated(self.body[-1].removeprefix("return ").rstrip(";"), values)

    def log_density(self, data, parameters):
        values = {**data, **parameters, "network": self.network}
        first, *terms = self.blocks["model"]
        _declare(first, values, values)
        return sum(_term(line, values) for line in terms)

    def generated(self, data, parameters):
        """f_train and f_test."""
        found, values = {}, {**data, **parameters, "network": self.network}
        for line in self.blocks["generated quantities"]:
            _declare(line, found, values)
        return found


def _evaluated(text, values):
    text = re.sub(r"\[, ", "[:, ", text.replace(" | ", ", ").replace("'", ""))
    return eval(text, {"__builtins__": {}}, {**FUNCTIONS, **values})


def _declare(line, into, values):
    """Take a value, given by its name or assigned, if it is of the shape that is declared."""
    outer, kind, inner, name, assigned = _DECLARED.fullmatch(line.rstrip(";")).groups()
    value = _values(values[name] if assigned is None else _evaluated(assigned, values))
    dims = ", ".join(part for part in (outer, inner) if part)
    shape = tuple(_evaluated(dim, values) for dim in dims.split(", ")) if dims else ()
    assert np.shape(value) == shape, line
    assert (np.asarray(value).dtype.kind == "i") == (kind == "int"), line
    into[name] = int(value) if kind == "int" and not shape else value


def _term(line, values):
    """One `target += …`, perhaps in loops."""
    if loop := _LOOP.match(line):
        last = _evaluated(loop[2], values)
        rest = line[loop.end() :]
        return sum(_term(rest, {**values, loop[1]: i}) for i in range(1, last + 1))
    assert line.startswith("target += ")
    return _evaluated(line.removeprefix("target += ").rstrip(";"), values)
