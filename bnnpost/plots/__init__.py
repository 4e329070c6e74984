"""Figures of results, drawn without pyplot: no global state, whatever the backend."""

from bnnpost.plots.calibration import calibration
from bnnpost.plots.style import save
from bnnpost.plots.sweep import densities, distances

__all__ = ["calibration", "densities", "distances", "save"]
