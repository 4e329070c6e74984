"""Studies that go over widths, depths and data: what is measured, beside what is predicted."""

from bnnpost.studies.predictions import Predictions, predictions
from bnnpost.studies.scaling import Scaling, scaling, scaling_over_depth

__all__ = ["Predictions", "Scaling", "predictions", "scaling", "scaling_over_depth"]
