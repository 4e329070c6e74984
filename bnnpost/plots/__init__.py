"""Figures of results, drawn without pyplot: no global state, whatever the backend.

`calibration`, `data_scaling`, `densities`, `distances` and `warmups` are whole figures;
`functions`, `against_width` and `pit` draw on axes that the caller made.
"""

from bnnpost.plots.axes import against_width, functions, pit
from bnnpost.plots.data_scaling_figure import data_scaling
from bnnpost.plots.figures import densities, distances
from bnnpost.plots.ranks import calibration
from bnnpost.plots.style import BLUE, GREEN, MUTED, OCHRE, PURPLE, VERMILION, save, slide_style
from bnnpost.plots.warmup_figure import warmups

__all__ = [
    "BLUE",
    "GREEN",
    "MUTED",
    "OCHRE",
    "PURPLE",
    "VERMILION",
    "against_width",
    "calibration",
    "data_scaling",
    "densities",
    "distances",
    "functions",
    "pit",
    "save",
    "slide_style",
    "warmups",
]
