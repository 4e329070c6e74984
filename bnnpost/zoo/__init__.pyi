from .entries import Entry, entry, names
from .exports import export
from .reference_checks import CheckFailed
from .zoo import build, load, posterior

__all__ = ["CheckFailed", "Entry", "build", "entry", "export", "load", "names", "posterior"]
