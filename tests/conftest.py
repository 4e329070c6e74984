"""The tests run on the CPU unless JAX_PLATFORMS says otherwise; jax reads it when imported."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
