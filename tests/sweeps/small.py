"""A sweep that takes seconds."""

from bnnpost.sweeps import SweepConfig

SETTINGS = {
    "data": "nile",
    "num_train": 3,
    "num_test": 2,
    "widths": (4, 64, 128),
    "depth": 1,
    "num_samples": 50,
    "num_proposals": 2000,
}


def config(**changes: object) -> SweepConfig:
    return SweepConfig(**{**SETTINGS, **changes})
