"""How many draws, and how near the posterior."""

from bnnpost.arguments import number_between, positive_integer
from bnnpost.samplers.coupled.bounds import fewest_pairs

# Unless another one is asked for.
TOLERANCE = 0.01


def checked_goal(num_samples: object, tolerance: object) -> tuple[int, float]:
    """Both as numbers. Raises ValueError for a tolerance that so few pairs cannot show."""
    num_samples = positive_integer("num_samples", num_samples)
    tolerance = number_between("tolerance", tolerance, 0.0, 1.0)
    fewest = fewest_pairs(tolerance)
    if num_samples < fewest:
        raise ValueError(
            f"{num_samples:,} pairs of chains cannot show a distance of at most {tolerance:g}: "
            f"about 4/{num_samples:,} is the least that they could. Ask for at least {fewest:,} "
            "samples, or a larger tolerance"
        )
    return num_samples, tolerance
