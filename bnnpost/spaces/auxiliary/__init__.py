"""Auxiliary rejection: strictly exact draws of one hidden layer, past the bound of the likelihood.

docs/explanation/auxiliary-rejection.md derives it. The likelihood of n targets, its readout
integrated out, is Π N(y; 0, S + K̂) with K̂ the mean of N independent terms, one a hidden unit. An
auxiliary vector t makes the determinant, and a linearisation at v = (S + K)⁻¹ y the quadratic form,
into products over units. So t is drawn first, from a Gaussian in shells (`shells`, chosen by
`partition`, with `fourth_moments` where there are some); kept with a probability of which there
are unbiased coins (`coins`); then units are drawn one by one (`unit_draws`); and a last factor,
near one, is left to the weight of the draw (`law`).
"""

from bnnpost.spaces.auxiliary.law import Auxiliary

__all__ = ["Auxiliary"]
