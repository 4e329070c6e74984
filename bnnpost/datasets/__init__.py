"""Data sets: shipped ones, generated ones and files of the user's own, all as a Dataset."""

from bnnpost.datasets.generators import GENERATORS, Generator, cubic, sine_gap, step
from bnnpost.datasets.shipped import (
    SHIPPED,
    Shipped,
    diabetes_problem,
    digits_problem,
    load,
    load_shipped,
    names,
)
from bnnpost.datasets.spheres import sphere_teacher
from bnnpost.datasets.table import DataError, Dataset
from bnnpost.datasets.user_files import read

__all__ = [
    "GENERATORS",
    "SHIPPED",
    "DataError",
    "Dataset",
    "Generator",
    "Shipped",
    "cubic",
    "diabetes_problem",
    "digits_problem",
    "load",
    "load_shipped",
    "names",
    "read",
    "sine_gap",
    "sphere_teacher",
    "step",
]
