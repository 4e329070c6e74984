"""Run again, each notebook prints what is stored in it, and draws as many figures."""

import math

import pytest

from tests.notebooks.books import NAMES, PATHS, pictures, printed, read
from tests.notebooks.rebuild import rebuilt
from tests.printed import alike

# A draw of a thousand that falls on the other side of its threshold moves what is printed by less
# than 1 %. Leapfrog steps magnify rounding until nothing of a path is left: another processor has
# other chains of the same law, and 10 % is three times the difference to expect of two stds, each
# from 1,000 draws.
SAME_DRAWS, OTHER_CHAINS = 0.01, 0.1
OF_CHAINS = {"4_is_hmc_right"}


def near(relative):
    """Whether two numbers, as they are printed, differ by so much or by 1 in the last digit."""

    def is_near(one, other):
        last_digit = 1.001 * 10.0 ** -min(decimals(one), decimals(other))
        return math.isclose(float(one), float(other), rel_tol=relative, abs_tol=last_digit)

    return is_near


def decimals(number):
    mantissa, _, exponent = number.partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_prints_what_is_stored(path):
    stored, again = read(path), rebuilt(read(path))
    is_near = near(OTHER_CHAINS if path.stem in OF_CHAINS else SAME_DRAWS)
    assert alike(printed(stored), printed(again), is_near), printed(again)
    assert len(pictures(again)) == len(pictures(stored))


@pytest.mark.parametrize(
    ("text", "is_alike"),
    [
        ("width 16: 0.424 ± 0.011\n", True),
        ("width 16: 0.432 ± 0.010\n", False),
        ("Width 16: 0.425 ± 0.010\n", False),
        ("width 16: 0.425\n", False),
    ],
)
def test_rounding_alone_is_no_difference(text, is_alike):
    assert alike("width 16: 0.425 ± 0.010\n", text, near(SAME_DRAWS)) == is_alike
