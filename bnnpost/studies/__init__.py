"""Studies that go over widths, depths, data and shifts: what is measured, beside predictions."""

from bnnpost.studies.data_scaling import DataScaling, Tail, scaling_over_data
from bnnpost.studies.power_laws import DataLaw
from bnnpost.studies.scaling import Scaling, scaling, scaling_over_depth
from bnnpost.studies.shift import Shift, shift
from bnnpost.studies.shifted_inputs import Move, Rescale, Rotate, Translate
from bnnpost.studies.theory_errors import TheoryErrors, theory_errors

__all__ = [
    "DataLaw",
    "DataScaling",
    "Move",
    "Rescale",
    "Rotate",
    "Scaling",
    "Shift",
    "Tail",
    "TheoryErrors",
    "Translate",
    "scaling",
    "scaling_over_data",
    "scaling_over_depth",
    "shift",
    "theory_errors",
]
