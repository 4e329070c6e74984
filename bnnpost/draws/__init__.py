"""What a sampler returns: draws with their record, their files and their ArviZ view."""

from bnnpost.draws.draws import Draws, DrawsInfo, Mixture
from bnnpost.draws.netcdf import load

__all__ = ["Draws", "DrawsInfo", "Mixture", "load"]
