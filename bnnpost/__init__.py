"""Exact posteriors of Bayesian neural networks, and how they approach their Gaussian limit.

The public names, and the module that each is in, are listed in __init__.pyi; a module is imported
when one of its names is first used, so that what needs no JAX does not wait for it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
