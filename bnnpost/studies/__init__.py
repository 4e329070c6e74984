"""Studies that go over widths, depths, data and shifts: what is measured, beside predictions."""

from bnnpost.studies.scaling import Scaling, scaling, scaling_over_depth
from bnnpost.studies.shift import Shift, shift
from bnnpost.studies.shifted_inputs import Move, Rescale, Rotate, Translate
from bnnpost.studies.theory_errors import TheoryErrors, theory_errors

__all__ = [
    "Move",
    "Rescale",
    "Rotate",
    "Scaling",
    "Shift",
    "TheoryErrors",
    "Translate",
    "scaling",
    "scaling_over_depth",
    "shift",
    "theory_errors",
]
