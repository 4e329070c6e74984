"""Studies that go over widths, depths and data: what is measured, beside what is predicted."""

from bnnpost.studies.scaling import Scaling, scaling, scaling_over_depth
from bnnpost.studies.theory_errors import TheoryErrors, theory_errors

__all__ = ["Scaling", "TheoryErrors", "scaling", "scaling_over_depth", "theory_errors"]
