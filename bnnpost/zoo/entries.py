"""The posteriors of the zoo, as data: what each is, and how its draws are made."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bnnpost.naming import unknown

_T5 = {"law": "StudentT", "parameters": {"df": 5.0, "loc": 0.0, "scale": 1.0}}
_NORMAL = {"law": "Normal", "parameters": {"loc": 0.0, "scale": 1.0}}
_HALF_NORMAL = {"law": "HalfNormal", "parameters": {"scale": 1.5}}
_BERNOULLI = {"type": "Bernoulli", "link": "logit"}
_PROBIT = {"type": "Bernoulli", "link": "probit"}
_CATEGORICAL = {"type": "Categorical"}
# Digits as images of eight rows of eight pixels, seen by windows of three by three.
_RELU = {"type": "Activation", "name": "relu"}
_WINDOW = {"type": "Conv", "filter_shape": (3, 3), "w_std": 1.5, "b_std": 0.1}
_CONVOLUTIONAL: tuple[Mapping[str, object], ...] = (
    {"type": "Reshape", "shape": (8, 8, 1)},
    *(_WINDOW, _RELU),
    *({**_WINDOW, "strides": (2, 2)}, _RELU),
    {"type": "Flatten"},
    {"type": "Dense", "w_std": 1.5, "b_std": 0.1},
)


def _gaussian(noise_std: float) -> dict[str, object]:
    return {"type": "Gaussian", "noise_std": noise_std}


@dataclass(frozen=True)
class Perceptron:
    """Dense layers, with the arguments of `bnnpost.mlp`.

    w_std: perhaps the record of a law, from which each layer's is drawn. prior, readout_prior:
    laws of the weights that these multiply, as records, None for standard normals.
    """

    activation: str
    depth: int
    width: int
    w_std: float | Mapping[str, object] = 1.5
    b_std: float = 0.1
    readout_w_std: float | None = None
    prior: Mapping[str, object] | None = None
    readout_prior: Mapping[str, object] | None = None

    @property
    def words(self) -> str:
        """Of what kind and how large."""
        laws = "" if self.prior is None else ", t"
        return f"{self.activation}, {self.depth} × {self.width}{laws}"


@dataclass(frozen=True)
class Layers:
    """A list of layers, as `bnnpost.from_spec` takes it; width: of those that name none."""

    words: str
    width: int
    tables: tuple[Mapping[str, object], ...]


@dataclass(frozen=True)
class Entry:
    """One named posterior, and the run that makes its draws.

    summary: in one line. data: a shipped set or generator; its first num_train rows, in the
    order of seed 0, train and the next num_test are the test inputs. likelihood: as a record.
    bound: "strict" for exact draws, "capped" for weighted ones. seed: of the draws.
    """

    name: str
    summary: str
    data: str
    num_train: int
    network: Perceptron | Layers
    likelihood: Mapping[str, object]
    num_test: int = 5
    bound: str = "strict"
    num_samples: int = 10_000
    seed: int = field(default=0, kw_only=True)

    @property
    def task(self) -> str:
        """What is predicted: regression, binary or classes."""
        kinds = {"Bernoulli": "binary", "Categorical": "classes"}
        return kinds.get(str(self.likelihood["type"]), "regression")

    @property
    def method(self) -> str:
        """How the draws are made, in words."""
        how = "exact" if self.bound == "strict" else "weighted"
        return f"{self.bound} rejection in function space: independent, {how} draws"

    def as_dict(self) -> dict[str, object]:
        """Plain data, as it is written to files."""
        return dataclasses.asdict(self)

    def as_json(self) -> str:
        """The same as one text, which changes with any setting."""
        return json.dumps(self.as_dict(), sort_keys=True)


ENTRIES = (
    Entry(
        "sine-tanh-1x1",
        "a single hidden unit: the posterior is far from Gaussian",
        *("sine_gap", 4, Perceptron("tanh", 1, 1), _gaussian(0.5)),
    ),
    Entry(
        "cubic-relu-1x4",
        "a narrow ReLU network on a cubic",
        *("cubic", 4, Perceptron("relu", 1, 4), _gaussian(0.4)),
    ),
    Entry(
        "cubic-relu-1x2",
        "two units and less noise: many weights for every function",
        *("cubic", 4, Perceptron("relu", 1, 2), _gaussian(0.3)),
    ),
    Entry(
        "sine-relu-1x1",
        "two modes: the one unit meets the points on the left or those on the right",
        *("sine_gap", 4, Perceptron("relu", 1, 1), _gaussian(0.4)),
    ),
    Entry(
        "step-erf-2x8",
        "a jump, met by a narrow network of two hidden layers",
        *("step", 5, Perceptron("erf", 2, 8), _gaussian(0.3)),
    ),
    Entry(
        "nile-tanh-3x16-outliers",
        "the flow of the Nile under Student-t noise, three narrow layers",
        *("nile", 4, Perceptron("tanh", 3, 16), {"type": "StudentT", "df": 4.0, "noise_std": 0.8}),
    ),
    Entry(
        "diabetes-erf-1x64",
        "the standard regression problem with one hidden layer",
        *("diabetes", 5, Perceptron("erf", 1, 64), _gaussian(0.3)),
    ),
    Entry(
        "diabetes-erf-2x256",
        "the standard regression problem, close to its Gaussian limit",
        *("diabetes", 5, Perceptron("erf", 2, 256), _gaussian(0.5)),
    ),
    Entry(
        "diabetes-relu-3x512",
        "the deepest network",
        *("diabetes", 4, Perceptron("relu", 3, 512), _gaussian(0.5)),
    ),
    Entry(
        "diabetes-relu-1x32-t-weights",
        "Student-t weights with five degrees of freedom in every layer",
        *("diabetes", 3, Perceptron("relu", 1, 32, w_std=1.0, prior=_T5), _gaussian(0.7)),
    ),
    Entry(
        "diabetes-tanh-2x8-t-hidden",
        "Student-t weights in hidden layers, a Gaussian readout",
        *(
            "diabetes",
            4,
            Perceptron("tanh", 2, 8, w_std=1.0, prior=_T5, readout_prior=_NORMAL),
            _gaussian(0.5),
        ),
    ),
    Entry(
        "diabetes-erf-1x32-scales",
        "hierarchical: each layer's w_std is drawn from a half-normal law",
        *("diabetes", 5, Perceptron("erf", 1, 32, w_std=_HALF_NORMAL), _gaussian(0.5)),
    ),
    Entry(
        "cancer-relu-1x16",
        "benign or malignant from eight biopsies, logistic link",
        *("breast_cancer", 8, Perceptron("relu", 1, 16), _BERNOULLI),
    ),
    Entry(
        "cancer-erf-3x128-probit",
        "the same from six, probit link, three hidden layers",
        *("breast_cancer", 6, Perceptron("erf", 3, 128), _PROBIT),
    ),
    Entry(
        "wine-tanh-2x32",
        "three cultivars from five wines",
        *("wine", 5, Perceptron("tanh", 2, 32), _CATEGORICAL),
        num_test=3,
    ),
    Entry(
        "digits-relu-2x64",
        "ten classes from three handwritten digits",
        *("digits", 3, Perceptron("relu", 2, 64), _CATEGORICAL),
        num_test=3,
    ),
    Entry(
        "digits-relu-2x512-gaussian",
        "ten outputs under Gaussian noise, as in the standard digits problem",
        *("digits", 3, Perceptron("relu", 2, 512, w_std=2**0.5, readout_w_std=0.3), _gaussian(0.3)),
        num_test=3,
    ),
    Entry(
        "digits-conv-2x8",
        "a convolutional network: ten classes from three handwritten digits",
        *("digits", 3, Layers("conv, 2 × 8", 8, _CONVOLUTIONAL), _CATEGORICAL),
        num_test=3,
    ),
    Entry(
        "diabetes20-erf-1x1024",
        "twenty points, by a strict bound all the same: auxiliary rejection",
        *("diabetes", 20, Perceptron("erf", 1, 1024, w_std=1.0), _gaussian(0.1**0.5)),
    ),
    Entry(
        "diabetes50-erf-1x16384",
        "fifty points, and the widest network",
        *("diabetes", 50, Perceptron("erf", 1, 16_384, w_std=1.0), _gaussian(0.1**0.5)),
    ),
    Entry(
        "diabetes50-relu-1x4096",
        "fifty points, and ReLU: the radii of its units are integrated out",
        *("diabetes", 50, Perceptron("relu", 1, 4096, w_std=1.0), _gaussian(0.1**0.5)),
    ),
    Entry(
        "diabetes20-erf-2x512-capped",
        "twenty points, beyond a strict bound: weighted draws",
        *("diabetes", 20, Perceptron("erf", 2, 512), _gaussian(0.1**0.5)),
        bound="capped",
    ),
)


def names() -> tuple[str, ...]:
    """The names of the posteriors, as `entry` takes them."""
    return tuple(entry.name for entry in ENTRIES)


def entry(name: str | Entry) -> Entry:
    """The description of one posterior; one passes. Raises ValueError for an unknown name."""
    if isinstance(name, Entry):
        return name
    for one in ENTRIES:
        if one.name == name:
            return one
    raise ValueError(unknown("posterior of the zoo", name, list(names())))
