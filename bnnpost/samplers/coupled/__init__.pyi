from .blend import Blend
from .coupled import sample
from .estimates import UnbiasedMean, expectation
from .mixing_time import Mixing, mixing
from .pair_draws import NotMetWarning
from .pair_forecast import CoupledForecast, forecast
from .setting import NotMet

__all__ = [
    "Blend",
    "CoupledForecast",
    "Mixing",
    "NotMet",
    "NotMetWarning",
    "UnbiasedMean",
    "expectation",
    "forecast",
    "mixing",
    "sample",
]
