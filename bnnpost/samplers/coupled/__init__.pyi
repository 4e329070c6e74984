from .blend import Blend
from .coupled import NotMetWarning, sample
from .estimates import UnbiasedMean, expectation
from .setting import NotMet

__all__ = ["Blend", "NotMet", "NotMetWarning", "UnbiasedMean", "expectation", "sample"]
