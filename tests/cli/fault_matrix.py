"""Faults of every file of a run: bits turned, cut, emptied, deleted, exchanged for its like."""

import re

import numpy as np

from tests.cli.corruptions import files

FLIPS = 50
# Parts of a file that are left.
_LEFT = (0.5, 0.999)
# What no command reads: made anew, or only added to.
_FOR_PEOPLE = re.compile(r".*\.(png|svg|html|txt)")


def matrix(run, likes):
    """Each fault as what it is, in words, and a function that does it to a copy of the run.

    likes: of the name of a file the paths, outside the run, of its likes, and within it the names.
    """
    rng = np.random.default_rng(0)
    for name in files(run):
        whole = (run / name).read_bytes()
        yield f"{name} emptied", _written(name, b"")
        yield f"{name} deleted", _deleted(name)
        for part in _LEFT:
            count = min(int(part * len(whole)), len(whole) - 1)
            yield f"{name} cut to {count} bytes", _written(name, whole[:count])
        for place in rng.choice(len(whole), 1 if _FOR_PEOPLE.fullmatch(name) else FLIPS):
            bit = int(rng.integers(8))
            turned = bytearray(whole)
            turned[place] ^= 1 << bit
            yield f"{name} with bit {bit} of byte {place} turned", _written(name, bytes(turned))
        for like in likes(name):
            if isinstance(like, str):
                yield f"{name} exchanged with {like}", _exchanged(name, like)
            else:
                yield f"{name} for {like}", _written(name, like.read_bytes())


def is_flip(what):
    """Whether a fault, in words, is one bit."""
    return what.endswith("turned")


def _written(name, contents):
    return lambda target: (target / name).write_bytes(contents)


def _deleted(name):
    return lambda target: (target / name).unlink()


def _exchanged(one, other):
    def exchange(target):
        (target / one).rename(target / "aside")
        (target / other).rename(target / one)
        (target / "aside").rename(target / other)

    return exchange
