from .blend import Blend
from .coupled import NotMetWarning, sample
from .estimates import UnbiasedMean, expectation
from .mixing_time import Mixing, mixing
from .setting import NotMet

__all__ = [
    "Blend",
    "Mixing",
    "NotMet",
    "NotMetWarning",
    "UnbiasedMean",
    "expectation",
    "mixing",
    "sample",
]
