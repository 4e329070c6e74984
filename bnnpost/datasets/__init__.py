"""Data sets: shipped ones, generated ones and files of the user's own, all as a Dataset."""

from bnnpost.datasets.column_scaling import ColumnScaling
from bnnpost.datasets.data_record import DataRecord
from bnnpost.datasets.feature_cells import imputed
from bnnpost.datasets.file_rows import Column, FileRows
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
    "Column",
    "ColumnScaling",
    "DataError",
    "DataRecord",
    "Dataset",
    "FileRows",
    "Generator",
    "Shipped",
    "cubic",
    "diabetes_problem",
    "digits_problem",
    "imputed",
    "load",
    "load_shipped",
    "names",
    "read",
    "sine_gap",
    "sphere_teacher",
    "step",
]
