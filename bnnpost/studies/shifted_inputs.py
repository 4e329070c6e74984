"""Test inputs that move away from the data: along a direction, out from a centre, or around it.

Every family is written as x and what is added to it, so that at the strength that moves nothing
(0, 1 or an angle of 0) the inputs are the same to the last bit.
"""

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from bnnpost.arguments import place, real_array, shown
from bnnpost.posterior import Posterior

# What test inputs that were not moved are called.
UNMOVED = "none"


class MovedInputs(NamedTuple):
    """Test inputs and targets after one shift: of a family, so strong (NaN for a data set)."""

    family: str
    strength: float
    points: Float[np.ndarray, "m *f"]
    targets: Float[np.ndarray, "m k"]


class Move(abc.ABC):
    """A family of shifts: how far, and what becomes of inputs at each strength."""

    strengths: Sequence[float]

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What results call it, where no other name is given."""

    @property
    @abc.abstractmethod
    def unmoved_at(self) -> float:
        """The strength that leaves inputs as they are."""

    @abc.abstractmethod
    def moved(
        self, x: Float[np.ndarray, "m *f"], centre: Float[np.ndarray, " *f"], strength: float
    ) -> Float[np.ndarray, "m *f"]:
        """The inputs at this strength; centre: the mean of the training inputs.

        Raises ValueError for what does not fit the inputs.
        """


@dataclass(frozen=True)
class Translate(Move):
    """x + s · direction. direction: of an input's shape, or the number of one feature."""

    direction: Any
    strengths: Sequence[float]

    @property
    def name(self) -> str:
        return "translation"

    @property
    def unmoved_at(self) -> float:
        return 0.0

    def moved(
        self, x: Float[np.ndarray, "m *f"], centre: Float[np.ndarray, " *f"], strength: float
    ) -> Float[np.ndarray, "m *f"]:
        if isinstance(self.direction, int | np.integer):
            feature = place("direction", self.direction, x.shape[-1])
            return x + strength * np.eye(x.shape[-1])[feature]
        return x + strength * _like_an_input("direction", self.direction, x)


@dataclass(frozen=True)
class Rescale(Move):
    """centre + s · (x − centre). centre: the mean of the training inputs unless given."""

    strengths: Sequence[float]
    centre: Any = None

    @property
    def name(self) -> str:
        return "scaling"

    @property
    def unmoved_at(self) -> float:
        return 1.0

    def moved(
        self, x: Float[np.ndarray, "m *f"], centre: Float[np.ndarray, " *f"], strength: float
    ) -> Float[np.ndarray, "m *f"]:
        about = centre if self.centre is None else _like_an_input("centre", self.centre, x)
        return x + (strength - 1) * (x - about)


@dataclass(frozen=True)
class Rotate(Move):
    """A rotation in the plane of two features around the centre, by angles in radians.

    The angle is from the first of the features towards the second. centre: as in `Rescale`.
    """

    features: tuple[int, int]
    strengths: Sequence[float]
    centre: Any = None

    @property
    def name(self) -> str:
        return "rotation"

    @property
    def unmoved_at(self) -> float:
        return 0.0

    def moved(
        self, x: Float[np.ndarray, "m *f"], centre: Float[np.ndarray, " *f"], strength: float
    ) -> Float[np.ndarray, "m *f"]:
        i, j = (place("features", one, x.shape[-1]) for one in self.features)
        if i == j:
            raise ValueError(f"expected features of a plane to be different, got {self.features}")
        about = centre if self.centre is None else _like_an_input("centre", self.centre, x)
        u, v = (x[..., k] - about[..., k] for k in (i, j))
        less, sine = np.cos(strength) - 1, np.sin(strength)
        turned = x.copy()
        turned[..., i] += less * u - sine * v
        turned[..., j] += less * v + sine * u
        return turned


Targets = object | Callable[[np.ndarray], object]
Shifts = Sequence[Move] | Mapping[str, Move | tuple[object, object]]


def places(
    posterior: Posterior, x_test: object, y_test: Targets, shifts: Shifts
) -> list[MovedInputs]:
    """The test inputs as they are, then each family's at each of its strengths.

    y_test: targets that stay with their rows, or a function that gives them at moved inputs.
    """
    points = posterior.checked_test_points(x_test)
    kept = None if callable(y_test) else posterior.checked_test_targets(y_test, len(points))
    centre = posterior.x.mean(axis=0)

    def at(family: str, strength: float, moved: np.ndarray) -> MovedInputs:
        targets = kept if kept is not None else y_test(moved.copy())  # type: ignore[operator]
        return _place(posterior, family, strength, moved, targets)

    found = [at(UNMOVED, 0.0, points)]
    for name, one in _named(shifts):
        if isinstance(one, Move):
            strengths = _strengths(name, one.strengths)
            found += [at(name, s, one.moved(points, centre, s)) for s in strengths]
        else:
            found.append(_place(posterior, name, np.nan, *_pair(name, one)))
    return found


def _place(
    posterior: Posterior, family: str, strength: float, points: object, targets: object
) -> MovedInputs:
    try:
        checked = posterior.checked_test_points(points)
        return MovedInputs(
            family, strength, checked, posterior.checked_test_targets(targets, len(checked))
        )
    except ValueError as error:
        raise ValueError(f"of the shift {family!r}: {error}") from error


def _named(shifts: object) -> list[tuple[str, object]]:
    """Families and data sets with their names, each another one."""
    if isinstance(shifts, Mapping):
        named = [(str(name), one) for name, one in shifts.items()]
    elif isinstance(shifts, Iterable):
        named = []
        for one in shifts:
            if not isinstance(one, Move):
                raise TypeError(
                    "expected a sequence of Translate, Rescale or Rotate (a data set needs a "
                    f"name: {{'name': (x, y)}}), got {shown(one)}"
                )
            named.append((one.name, one))
    else:
        raise TypeError(f"expected shifts to be a mapping or a sequence, got {shown(shifts)}")
    names = [name for name, _ in named]
    if not names or len(set(names)) < len(names) or UNMOVED in names:
        raise ValueError(
            f"expected one shift or more, each of a name of its own other than {UNMOVED!r}, got "
            f"{names}; two of one family have names in a mapping {{'name': Translate(…)}}"
        )
    return named


def _strengths(name: str, values: object) -> list[float]:
    found = real_array(f"strengths of {name!r}", values)
    if found.ndim != 1 or not found.size or not np.all(np.isfinite(found)):
        raise ValueError(
            f"expected strengths of {name!r} to be one or more finite numbers, got {shown(values)}"
        )
    return [float(value) for value in found]


def _pair(name: str, given: object) -> tuple[object, object]:
    if not (isinstance(given, tuple | list) and len(given) == 2):
        raise TypeError(
            f"expected the shift {name!r} to be Translate, Rescale, Rotate or a pair of inputs and "
            f"targets (x, y), got {shown(given)}"
        )
    return given[0], given[1]


def _like_an_input(name: str, values: object, x: np.ndarray) -> np.ndarray:
    found = real_array(name, values)
    if found.shape != x.shape[1:] or not np.all(np.isfinite(found)):
        raise ValueError(
            f"expected {name} to be finite numbers of an input's shape {list(x.shape[1:])}, got "
            f"{shown(values)}"
        )
    return found
