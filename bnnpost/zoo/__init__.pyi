from .checks import CheckFailed
from .entries import Entry, entry, names
from .zoo import build, load, posterior

__all__ = ["CheckFailed", "Entry", "build", "entry", "load", "names", "posterior"]
