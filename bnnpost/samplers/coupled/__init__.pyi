from .blend import Blend
from .coupled import sample
from .estimates import UnbiasedMean, expectation
from .pair_draws import NotMetWarning
from .setting import NotMet

__all__ = ["Blend", "NotMet", "NotMetWarning", "UnbiasedMean", "expectation", "sample"]
