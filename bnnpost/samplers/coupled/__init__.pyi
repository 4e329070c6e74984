from .coupled import Blend, Coupling, Moved, Paired, sample
from .estimates import UnbiasedMean, expectation
from .mixing_time import Mixing, mixing
from .pair_draws import NotMetWarning
from .pair_forecast import CoupledForecast, forecast
from .tuning import NotMet

__all__ = [
    "Blend",
    "CoupledForecast",
    "Coupling",
    "Mixing",
    "Moved",
    "NotMet",
    "NotMetWarning",
    "Paired",
    "UnbiasedMean",
    "expectation",
    "forecast",
    "mixing",
    "sample",
]
