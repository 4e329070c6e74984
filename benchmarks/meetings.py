"""When pairs of chains meet, by rotations of a trajectory and what these are to accept.

    python benchmarks/meetings.py [POINTS WIDTH [ROTATIONS,ACCEPTANCE …]]

Diabetes, erf, depth 2, noise variance 0.1; by default 50 points and width 64. Eight pairs each, of
which one chain is a step ahead, for 400 steps at most. Printed: the angle found, how far a
trajectory turns, the share that is accepted, steps until the first, half and all pairs have met (-
where some have not), evaluations of the weight that a pair takes. Not a matter of speed.
"""

import sys

import jax
import numpy as np

import bnnpost
from bnnpost.samplers.coupled.pairs import Pairs, Programs
from bnnpost.samplers.coupled.tuning import _evaluations, _with_steps
from bnnpost.samplers.kernels.kernel import Normals
from bnnpost.samplers.kernels.rotation import Rotation
from bnnpost.spaces.making import make_space

SETTINGS = ("5,0.8", "8,0.8", "5,0.95", "8,0.9", "8,0.97", "12,0.98", "16,0.985")
MOST, COUNT = 400, 8


def posterior(num_points: int, width: int) -> bnnpost.Posterior:
    """The problem of so many points and units."""
    x, y, *_ = bnnpost.datasets.diabetes_problem(num_points, 1)
    network = bnnpost.mlp(width=width, depth=2, activation="erf", w_std=1.0, b_std=0.1)
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(0.1**0.5), x, y)


def row(programs: Programs, number: int, acceptance: float) -> str:
    """A line of the table."""
    coupling = Rotation(None, acceptance, number).coupling()
    with jax.enable_x64(True):
        kernel, _ = _with_steps(jax.random.key(1), programs.target, coupling)
    outcomes = list(Pairs(programs, kernel, jax.random.key(2), 1).run(range(COUNT), 0, MOST))
    times = np.sort([int(one.meeting) if one.meeting > 0 else MOST + 1 for one in outcomes])
    told = [f"{t:5d}" if t <= MOST else "    -" for t in times[[0, COUNT // 2, COUNT - 1]]]
    cost = _evaluations(coupling, times) if times[-1] <= MOST else np.inf
    angle = float(kernel.settings()["angle"])
    accepted = np.mean([float(one.acceptance) for one in outcomes])
    return (
        f"{number:9d} {acceptance:8g} {angle:8.3f} {angle * number:6.2f} {accepted:9.3f} "
        f"{' '.join(told)} {cost:12,.0f}"
    )


def main(arguments: list[str]) -> None:
    num_points, width = map(int, arguments[:2] or (50, 64))
    made = make_space(posterior(num_points, width), strict=False, alone=True)
    programs = Programs(Normals.of(made))
    print(f"diabetes({num_points}), width {width}")
    print("rotations  accept    angle   turn  accepted first  half   all  evaluations")
    for setting in arguments[2:] or SETTINGS:
        number, acceptance = setting.split(",")
        print(row(programs, int(number), float(acceptance)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
