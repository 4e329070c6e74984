"""Reports for people: what there is to say of any run, as text, one page or JSON.

Names are imported when they are first used: how far a grid is can be told without JAX.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
