"""Which axes of arrays are chains, draws, points and outputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from bnnpost.arguments import listed, real_array
from bnnpost.networks.layers import Layer
from bnnpost.verification.parameter_values import Functions, either_way, with_values
from bnnpost.verification.sets import TEST, TRAIN, Values

PLACES = {TEST: "test", TRAIN: "training"}
_CURES = {
    TEST: "give function values at the same inputs, or these as x_test",
    TRAIN: "draws given other training data are of another posterior",
}
# Of one coordinate, relative to the largest: what single precision does to inputs.
_SAME_INPUT = 1e-6


@dataclass(frozen=True)
class Sizes:
    """What a candidate must fit: numbers of points and outputs, and the inputs where known.

    num_test: None where there are no test inputs. num_train: 0 where there is nothing to compare
    values at the training inputs with. network: where it is known.
    """

    num_test: int | None
    num_train: int
    num_outputs: int
    x_test: Float[np.ndarray, "m *f"] | None = None
    x_train: Float[np.ndarray, "n *f"] | None = None
    network: Layer | None = None

    @property
    def functions(self) -> Functions | None:
        """By which parameters are turned into values, where the network is known."""
        if self.network is None:
            return None
        return Functions(self.network, self.x_test, self.x_train)

    def points(self, name: str) -> int | None:
        """How many points the values of this name, "f" or "f_train", are at."""
        return self.num_test if name == TEST else self.num_train or None

    def inputs(self, name: str) -> Float[np.ndarray, "p *f"] | None:
        """These points, where they are known."""
        return self.x_test if name == TEST else self.x_train

    def expected(self, names: Sequence[str]) -> str:
        """In words: the points at which values may be."""
        parts = [
            f"{self.points(name)} {PLACES[name]}" for name in names if self.points(name) is not None
        ]
        return f"{' or '.join(parts)} inputs and {self.num_outputs} output(s)"


# The name of an array that has none.
BARE = "the candidate"
_WEIGHTS = ("log_weight", "log_weights")
_NO_TRAIN = "{}: the reference has none at the training inputs"

_EITHER_WAY = (
    "read as function values; vectors of the network's parameters are as long: give those as "
    '{"parameters": …}'
)

Reading = Callable[[np.ndarray, int, int], Values | None]


def without_chains(array: np.ndarray, points: int, outputs: int) -> Values | None:
    """[draw, point, output], or [draw, point] of one output, as one chain; None if it is not."""
    if array.ndim == 3 and array.shape[1:] == (points, outputs):
        return array[None]
    if array.ndim == 2 and outputs == 1 and array.shape[1] == points:
        return array[None, :, :, None]
    return None


def with_chains(array: np.ndarray, points: int, outputs: int) -> Values | None:
    """[chain, draw, point, output], or [chain, draw, point] of one output; None if it is not."""
    if array.ndim == 4 and array.shape[2:] == (points, outputs):
        return array
    if array.ndim == 3 and outputs == 1 and array.shape[2] == points:
        return array[..., None]
    return None


EITHER: tuple[Reading, ...] = (without_chains, with_chains)
CHAINS: tuple[Reading, ...] = (with_chains,)
_WORDS: dict[Reading, str] = {
    without_chains: "[draw, point, output]",
    with_chains: "[chain, draw, point, output]",
}


@dataclass(frozen=True)
class Given:
    """What a user handed in, of which is not said what the axes of its arrays are.

    origin: what it is, in a few words. arrays: by name, log weights among them if draws have
    some. kind, log_evidence: of our own draws, as in `DrawsInfo`. inputs: by "f" and "f_train",
    the points at which values say they are. is_numpyro: whether sites are named as its models do.
    """

    origin: str
    arrays: Mapping[Any, object]
    readings: Sequence[Reading] = EITHER
    kind: str | None = None
    log_evidence: tuple[float, float] | None = None
    inputs: Mapping[str, object] = field(default_factory=dict)
    is_numpyro: bool = False

    def values(
        self, sizes: Sizes
    ) -> tuple[dict[str, Values], Float[np.ndarray, " draw"] | None, tuple[str, ...]]:
        """Values by "f" and "f_train", log weights, and notes on how they were taken.

        Raises ValueError for values at other inputs, and names or shapes that do not fit.
        """
        for name, inputs in self.inputs.items():
            check_inputs(name, inputs, sizes)
        given = with_values(self.arrays, sizes.functions)
        arrays = {str(name): array for name, array in given.items()}
        weights = [arrays.pop(name) for name in _WEIGHTS if name in arrays]
        if self.is_numpyro:
            values, notes = _of_numpyro(arrays, sizes)
        else:
            values, notes = by_name(arrays, sizes, readings=self.readings)
        if BARE in self.arrays and either_way(self.arrays, sizes.functions):
            notes = (*notes, _EITHER_WAY)
        log_weights = real_array("log_weight", weights[0]).ravel() if weights else None
        return values, log_weights, notes


def _of_numpyro(
    sites: dict[str, object], sizes: Sizes
) -> tuple[dict[str, Values], tuple[str, ...]]:
    """Values from [chain, draw, …] by site: "f_train" and "f_test", else "f" by its shape.

    `hmc.model` records f at the training inputs, so that an f that fits these is taken for it.
    """
    known = {name: sites[name] for name in (TRAIN, "f_test", TEST) if name in sites}
    if list(known) == [TEST] and fits(known[TEST], sizes, TRAIN, CHAINS):
        values, _ = by_name({TRAIN: known[TEST]}, sizes, readings=CHAINS)
        return values, ("f is taken to be at the training inputs, as hmc.model records it",)
    if {TEST, "f_test"} <= set(known):
        del known[TEST]
    return by_name(known or sites, sizes, readings=CHAINS)


def fit(
    label: str,
    given: object,
    sizes: Sizes,
    *,
    names: Sequence[str] = (TEST, TRAIN),
    readings: Sequence[Reading] = EITHER,
) -> tuple[str, Values]:
    """The name under which an array fits, and its values [chain, draw, point, output].

    The first reading that fits is taken, with it the first of the names. Raises ValueError
    where none does, with what was expected and what came.
    """
    array = real_array(label, given, "real numbers")
    for reading in readings:
        for name in names:
            values = _read(array, sizes, name, reading)
            if values is not None and not (without_chains in readings and _doubtful(array, sizes)):
                return name, values
    if list(names) == [TEST] and sizes.num_test is None:
        raise ValueError(
            f"the candidate has {label}, of shape {array.shape}, but at which test inputs is not "
            "known: pass x_test (--x-test)"
        )
    layouts = " or ".join(_WORDS[reading] for reading in readings)
    hint = "; test inputs are not known: pass x_test (--x-test) if it is values there"
    hint = hint if TEST in names and sizes.num_test is None else ""
    raise ValueError(
        f"expected {label} to have {sizes.expected(names)}, as {layouts} (the last axis may be "
        f"missing for one output), got shape {array.shape}{hint}"
    )


def fits(given: object, sizes: Sizes, name: str, readings: Sequence[Reading] = EITHER) -> bool:
    """Whether an array can be values of this name."""
    array = np.asarray(given)
    return any(_read(array, sizes, name, reading) is not None for reading in readings)


def _read(array: np.ndarray, sizes: Sizes, name: str, reading: Reading) -> Values | None:
    points = sizes.points(name)
    return None if points is None else reading(array, points, sizes.num_outputs)


def _doubtful(array: np.ndarray, sizes: Sizes) -> bool:
    """Whether [chain, draw, point] may well be [draw, point, output] with too many outputs."""
    return (
        array.ndim == 3
        and array.shape[2] != sizes.num_outputs
        and array.shape[0] > array.shape[1]
        and array.shape[1] in (sizes.num_test, sizes.num_train)
    )


def check_inputs(name: str, given: object, sizes: Sizes) -> None:
    """Raise ValueError if values are at other inputs [point, feature] than they should be."""
    expected = sizes.inputs(name)
    if expected is None:
        return
    what = f"the candidate is at other {PLACES[name]} inputs"
    inputs, expected = real_array(f"its {PLACES[name]} inputs", given), np.asarray(expected)
    if inputs.shape != expected.shape:
        raise ValueError(f"{what}: expected shape {expected.shape}, got {inputs.shape}")
    wrong = ~(np.abs(inputs - expected) <= _SAME_INPUT * np.max(np.abs(expected)))
    if np.any(wrong):
        row, *column = (int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"{what}: first difference at row {row}, column {', '.join(map(str, column))}: "
            f"expected {expected[row, *column]:g}, got {inputs[row, *column]:g}; "
            f"{_CURES[name]}"
        )


def by_name(
    arrays: Mapping[str, object], sizes: Sizes, *, readings: Sequence[Reading] = EITHER
) -> tuple[dict[str, Values], tuple[str, ...]]:
    """Values by "f" and "f_train" from arrays under names, and notes on how they were taken.

    "f_test" is another name of "f". An "f" that fits the training inputs alone is taken for
    values there, and a single array of another name for a bare array. Raises ValueError for
    names or shapes that do not fit.
    """
    if TEST in arrays and "f_test" in arrays:
        raise ValueError('the candidate has both "f" and "f_test", which mean the same: leave one')
    test = "f_test" if "f_test" in arrays else TEST
    arrays, notes = _comparable(arrays, test, sizes)
    known = [name for name in (test, TRAIN) if name in arrays]
    if not known:
        return _only(arrays, sizes, readings)
    values = {}
    for label in known:
        names: tuple[str, ...] = (TEST,) if label == test else (TRAIN,)
        if label == TEST and TRAIN not in arrays and not fits(arrays[label], sizes, TEST, readings):
            names = (TEST, TRAIN)
        name, values_there = fit(label, arrays[label], sizes, names=names, readings=readings)
        if (label == test) != (name == TEST):
            notes.append(f"{label} is taken to be at the {sizes.num_train} training inputs")
        values[name] = values_there
    return values, (*notes, *_left_out(arrays, known), *_ambiguous(values, sizes, readings))


def _left_out(arrays: Mapping[str, object], known: Sequence[str]) -> tuple[str, ...]:
    others = sorted(set(arrays) - set(known))
    return (f"not looked at: {listed(others)}",) if others else ()


def _ambiguous(
    values: Mapping[str, Values], sizes: Sizes, readings: Sequence[Reading]
) -> tuple[str, ...]:
    """A note where values at the training inputs would have looked the same."""
    if list(values) != [TEST] or sizes.num_test != sizes.num_train or readings is CHAINS:
        return ()
    return (
        f"values are taken to be at the test inputs, of which there are {sizes.num_test} as of "
        'training inputs: name them "f_train" if they are at those',
    )


def _comparable(
    arrays: Mapping[str, object], test: str, sizes: Sizes
) -> tuple[Mapping[str, object], list[str]]:
    """Without values at training inputs where there is nothing to compare them with."""
    if TRAIN not in arrays or sizes.num_train:
        return arrays, []
    if test not in arrays:
        raise ValueError(_NO_TRAIN.format("expected values at the test inputs"))
    kept = {label: array for label, array in arrays.items() if label != TRAIN}
    return kept, [_NO_TRAIN.format("f_train is not looked at")]


def _only(
    arrays: Mapping[str, object], sizes: Sizes, readings: Sequence[Reading]
) -> tuple[dict[str, Values], tuple[str, ...]]:
    """The one array there is, or of several the one that fits with an axis of outputs.

    Without that axis it may be anything, such as weights.
    """
    fitting = [
        label
        for label, array in arrays.items()
        # Of one alone `fit` says what is wrong with it.
        if len(arrays) == 1
        or any(
            np.asarray(array).shape[-2:] == (sizes.points(name), sizes.num_outputs)
            and fits(array, sizes, name, readings)
            for name in (TEST, TRAIN)
        )
    ]
    if len(fitting) != 1:
        shapes = [f"{label} {np.asarray(array).shape}" for label, array in arrays.items()]
        raise ValueError(
            f'expected function values under the names "f" (at {sizes.num_test} test inputs) or '
            f'"f_train" (at {sizes.num_train} training inputs), got {listed(shapes) or "nothing"}'
        )
    name, array = fit(fitting[0], arrays[fitting[0]], sizes, readings=readings)
    taken = f"{fitting[0]} is taken for values at the {PLACES[name]} inputs"
    values = {name: array}
    notes = () if fitting == [BARE] else (taken, *_left_out(arrays, fitting))
    return values, (*notes, *_ambiguous(values, sizes, readings))
