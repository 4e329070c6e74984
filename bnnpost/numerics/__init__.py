"""Random bits, linear algebra and quadrature that the rest of the library stands on."""
