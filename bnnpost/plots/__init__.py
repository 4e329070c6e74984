"""Figures of results, drawn without pyplot: no global state, whatever the backend.

`calibration`, `densities`, `distances`, `warmups` and those of studies (`data_scaling`,
`linear_scales`, `prediction_errors`, `shifts`, `training_phases`) are whole figures, of which
`write_figures` writes those of a sweep; `functions`,
`against_width` and `pit` draw on axes that the caller made.
"""

from bnnpost.plots.axes import against_width, functions, pit
from bnnpost.plots.data_scaling_figure import data_scaling
from bnnpost.plots.figures import densities, distances, write_figures
from bnnpost.plots.phase_figure import training_phases
from bnnpost.plots.prediction_figure import prediction_errors
from bnnpost.plots.ranks import calibration
from bnnpost.plots.scale_figure import linear_scales
from bnnpost.plots.shift_figure import shifts
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
    "linear_scales",
    "pit",
    "prediction_errors",
    "save",
    "shifts",
    "slide_style",
    "training_phases",
    "warmups",
    "write_figures",
]
