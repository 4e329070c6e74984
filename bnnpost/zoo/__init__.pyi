from .entries import Entry, entry, names
from .reference_checks import CheckFailed
from .zoo import build, load, posterior

__all__ = ["CheckFailed", "Entry", "build", "entry", "load", "names", "posterior"]
