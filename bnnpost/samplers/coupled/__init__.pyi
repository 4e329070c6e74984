from .blend import Blend
from .coupled import NotMetWarning, sample
from .estimates import Expectation, expectation
from .setting import NotMet

__all__ = ["Blend", "Expectation", "NotMet", "NotMetWarning", "expectation", "sample"]
