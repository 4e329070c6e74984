from .blend import Blend
from .coupled import sample
from .estimates import UnbiasedMean, expectation
from .pair_draws import NotMetWarning
from .pair_forecast import CoupledForecast, forecast
from .setting import NotMet

__all__ = [
    "Blend",
    "CoupledForecast",
    "NotMet",
    "NotMetWarning",
    "UnbiasedMean",
    "expectation",
    "forecast",
    "sample",
]
