"""Figures of results, drawn without pyplot: no global state, whatever the backend.

`calibration`, `densities` and `distances` are whole figures; `functions`, `against_width` and
`pit` draw on axes that the caller made.
"""

from bnnpost.plots.against_width import against_width
from bnnpost.plots.calibration import calibration
from bnnpost.plots.functions import functions
from bnnpost.plots.pit import pit
from bnnpost.plots.style import BLUE, GREEN, MUTED, OCHRE, PURPLE, VERMILION, save, slide_style
from bnnpost.plots.sweep import densities, distances

__all__ = [
    "BLUE",
    "GREEN",
    "MUTED",
    "OCHRE",
    "PURPLE",
    "VERMILION",
    "against_width",
    "calibration",
    "densities",
    "distances",
    "functions",
    "pit",
    "save",
    "slide_style",
]
