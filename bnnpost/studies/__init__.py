"""Studies that go over widths, depths and data: what is measured, beside what is predicted."""

from bnnpost.studies.data_scaling import DataScaling, Tail, scaling_over_data
from bnnpost.studies.power_laws import DataLaw
from bnnpost.studies.scaling import Scaling, scaling, scaling_over_depth

__all__ = [
    "DataLaw",
    "DataScaling",
    "Scaling",
    "Tail",
    "scaling",
    "scaling_over_data",
    "scaling_over_depth",
]
