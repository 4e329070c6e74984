"""What a sampler returns: draws with their record, their files and their ArviZ view."""

from bnnpost.draws.draws import Draws, Mixture, load
from bnnpost.draws.ensemble_draws import Ensemble, EnsembleInfo
from bnnpost.draws.info import DrawsInfo
from bnnpost.draws.posterior_means import PosteriorMean

__all__ = ["Draws", "DrawsInfo", "Ensemble", "EnsembleInfo", "Mixture", "PosteriorMean", "load"]
