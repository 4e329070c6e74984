"""What is raised where a layer cannot take what enters it."""


class LayerError(ValueError):
    """A layer cannot take what enters it; the message says which layer, and what it got."""


class ShapeError(LayerError):
    """Inputs whose shape does not fit a layer."""
