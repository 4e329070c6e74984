"""The keys of a configuration, each told once: what it holds, its default, bounds and meaning.

The configuration's checks, the flags of the command line and the documentation's tables are
made of these. Nothing heavy is imported here, so that help is quick.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from bnnpost.samplers.kernels.methods import METHODS

# A law, or a likelihood, as plain data.
Record = Mapping[str, Any]
# Of 64 bits, as the keys of JAX's default generator are.
LARGEST_SEED = 2**64 - 1
REJECTION, COUPLED = "rejection", "coupled"


@dataclass(frozen=True)
class Meaning:
    """What is told of a key besides its default.

    group: of flags; a key without one has no flag. shown: the default as help spells it, where it
    is not the value itself. read: how, where it is no plain value ("std" for a number or law).
    also: further spellings of the flag. word: that may stand in the place of a number. least, most:
    of whole numbers.
    """

    group: str
    help: str
    shown: str | None = None
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()
    read: str = ""
    also: tuple[str, ...] = ()
    word: str | None = None


def setting(default: Any, group: str, help: str, **others: Any) -> Any:
    """A field of a configuration."""
    return dataclasses.field(default=default, metadata={"meaning": Meaning(group, help, **others)})


@dataclass(frozen=True)
class SweepKeys:
    """Keys of one posterior, its draws and their comparison; `SweepConfig` checks them."""

    data: str = setting("diabetes", "data", "Shipped data set or generator, or a CSV or npz file.")
    target: str | None = setting(
        None, "data", "Target column(s) of a file, comma-separated; words in one are classes."
    )
    standardise: bool | str = setting(
        True, "data",
        "Features, and targets that are numbers, to zero mean and unit std: over the training rows "
        "(train), over all rows (all), or not at all (false); true: train for a file, all for "
        "shipped data.",
        shown="true", choices=("true", "false", "train", "all"), read="standardise",
    )  # fmt: skip
    split_seed: int = setting(
        0, "data", "Seed of the row order: the first rows train, the next test.", least=0
    )
    num_train: int | None = setting(
        None, "data", "Training points.", shown="5; with test-data all", least=1
    )
    num_test: int | None = setting(
        None, "data", "Test points.", shown="5; with test-data all", least=1
    )
    widths: tuple[int, ...] = setting(
        (4, 16, 64, 256, 1024), "widths", "Units of the hidden layers.", least=1, also=("--width",)
    )
    depth: int = setting(2, "network", "Hidden layers.", least=1)
    activation: str = setting(
        "erf", "network", "Activation: relu, erf, tanh, … (all: bnnpost info)."
    )
    w_std: float | Record = setting(
        1.5, "network", "Prior std of weights, times √fan_in.", read="std"
    )
    b_std: float | Record = setting(0.1, "network", "Prior std of biases; 0 for none.", read="std")
    readout_w_std: float | Record | None = setting(
        None, "network", "The same for the readout.", shown="as w-std", read="std"
    )
    readout_b_std: float | Record | None = setting(
        None, "network", "The same for the readout.", shown="as b-std", read="std"
    )
    noise_std: float | Record = setting(
        0.31622776601683794, "noise",
        "Std of the observation noise, or its law: \"HalfNormal(0.5)\".",
        shown="0.316 (√0.1)", read="noise",
    )  # fmt: skip
    num_samples: int = setting(1000, "samples", "Draws at each width.", least=1)
    num_proposals: int = setting(
        40_000, "comparison", "Proposals of the comparison with the limit.", least=200
    )
    max_proposals: int | None = setting(
        None, "sampling", "Stop a width after this many proposals.", shown="no limit", least=1
    )
    seed: int = setting(0, "seed", "Seed of every random number.", least=0, most=LARGEST_SEED)
    bound: str = setting(
        "strict", "sampling",
        "strict: exact draws, by whichever of collapsed and auxiliary is cheaper; capped: weighted "
        "draws, for many points.",
        choices=("strict", "collapsed", "auxiliary", "capped"),
    )  # fmt: skip
    cap: float | None = setting(
        None, "sampling", "Log cap of capped draws, in nats.", shown="by a pilot"
    )
    space: str = setting(
        "auto", "sampling", "Where to draw: auto, functions or weights.",
        choices=("auto", "functions", "weights"),
    )  # fmt: skip
    collapse: bool = setting(
        True, "sampling", "Integrate the readout out (many times the acceptance).",
        shown="collapse",
    )  # fmt: skip
    precision: str = setting(
        "single", "sampling", "Of the random features: single or double.",
        choices=("single", "double"),
    )  # fmt: skip
    method: str = setting(
        REJECTION, "sweep method",
        "rejection, or coupled: independent draws at a measured distance from the posterior, for "
        "what rejection has no hope of; compared by the draws alone, without the evidence.",
        choices=(REJECTION, COUPLED),
    )  # fmt: skip
    kernel: str = setting(
        "auto", "sweep method", "coupled: what moves pairs: auto, hmc, pcn or slice.",
        choices=("auto", "hmc", "pcn", "slice"),
    )  # fmt: skip
    tolerance: float = setting(
        0.01, "sweep method",
        "coupled: total variation from the posterior that draws are to be below, at 95 %.",
    )  # fmt: skip
    lag: int | None = setting(
        None, "sweep method", "coupled: steps that one chain of a pair is ahead.",
        shown="by a pilot", least=1,
    )  # fmt: skip
    max_steps: int = setting(
        10_000, "sweep method", "coupled: the most that a pair is run in search of a meeting.",
        least=1,
    )  # fmt: skip
    network: str | None = setting(
        None, "network",
        "Layers in the place of a perceptron's settings: a TOML or JSON file with a list of "
        "them, or module:function, a function of width and num_outputs that returns the network.",
    )  # fmt: skip
    layers: tuple[Record, ...] | None = setting(
        None, "", "A list of layers as `from_spec` takes it."
    )
    weight_prior: Record | None = setting(
        None, "network", 'Law of hidden weights, times w_std/√fan_in: "Laplace(0, 0.7)".',
        shown="Normal(0, 1)", read="prior",
    )  # fmt: skip
    bias_prior: Record | None = setting(
        None, "network", "The same for biases, times b_std.", shown="Normal(0, 1)", read="prior"
    )
    features: str | None = setting(
        None, "data", "Input columns of a file, comma-separated; words are one-hot.",
        shown="all others",
    )  # fmt: skip
    missing: str = setting(
        "refuse", "data",
        "Of empty cells of a file: refuse them; drop their rows; impute: the mean of the training "
        "rows, of words the most frequent one.",
        choices=("refuse", "drop", "impute"),
    )  # fmt: skip
    id_column: str | None = setting(
        None, "data", "Column of a file that names rows: shown with test points, no feature."
    )
    train_rows: str | None = setting(
        None, "data",
        'Training rows by number, "0-7,12", instead of num_train; 0 is the first below the header.',
    )  # fmt: skip
    test_rows: str | None = setting(
        None, "data", "The same for the test rows, instead of num_test."
    )
    split_column: str | None = setting(
        None, "data",
        "Column of a file that says train or test of each row, or nothing of rows not used.",
    )  # fmt: skip
    test_data: str | None = setting(
        None, "data", "A second file, whose rows are the test points; those of data all train."
    )
    likelihood: Record | None = setting(
        None, "likelihood",
        "Of the targets: student-t, categorical, poisson, … (all: bnnpost info), or module:Class; "
        'with its parameters: "StudentT(df=4, noise_std=0.4)".',
        shown="gaussian", read="likelihood",
    )  # fmt: skip


@dataclass(frozen=True)
class ChainKeys:
    """Keys of chains, coupled ones too; `ChainConfig` checks them.

    None stands for the method's own default.
    """

    method: str = setting(
        REJECTION, "method",
        "rejection: independent draws. For what rejection has no hope of, coupled: independent "
        "draws at a measured distance from the posterior; and chains of dependent draws: hmc and "
        "nuts follow gradients, pcn and slice turn functions.",
        choices=(REJECTION, COUPLED, *METHODS),
    )  # fmt: skip
    num_chains: int | None = setting(
        None, "chains", "Chains: how many.", shown="4", least=1, also=("--chains",)
    )
    num_warmup: int | None = setting(
        None, "chains",
        "Chains: transitions before draws are kept, in which step sizes are adapted; measured: of "
        "pcn, slice and hmc by rotations, as many as coupled chains show to be enough.",
        shown="1000; slice: 100", least=0, also=("--warmup",), word="measured",
    )  # fmt: skip
    thinning: int | None = setting(
        None, "chains", "Chains: keep one transition in so many.", shown="1", least=1
    )
    step_size: float | None = setting(
        None, "chains", "hmc, nuts, pcn: a step size that stays.", shown="adapted"
    )
    target_accept: float | None = setting(
        None, "chains", "hmc, nuts, pcn: acceptance that step sizes are adapted to.",
        shown="0.8; pcn: 0.3",
    )  # fmt: skip
    num_steps: int | None = setting(
        None, "chains", "hmc: steps of one trajectory.", shown="chosen by hmc.sample", least=1
    )
    integrator: str | None = setting(
        None, "chains", "hmc: leapfrog or rotation.", shown="by the space"
    )
    max_tree_depth: int | None = setting(
        None, "chains", "nuts: at most 2^N − 1 steps of one trajectory.", shown="10", least=1
    )
    kernel: str | None = setting(
        None, "pairs", "coupled: what moves pairs: auto, hmc, pcn or slice.", shown="auto",
        choices=("auto", "hmc", "pcn", "slice"),
    )  # fmt: skip
    tolerance: float | None = setting(
        None, "pairs",
        "coupled: total variation from the posterior that draws are to be below, at 95 %.",
        shown="0.01",
    )  # fmt: skip
    lag: int | None = setting(
        None, "pairs", "coupled: steps that one chain of a pair is ahead.", shown="by a pilot",
        least=1,
    )  # fmt: skip
    max_steps: int | None = setting(
        None, "pairs", "coupled: the most that a pair is run in search of a meeting.",
        shown="10000", least=1,
    )  # fmt: skip
    space: str | None = setting(None, "", "Where the chains move: functions or weights.")
    collapse: bool | None = setting(None, "", "Whether the readout is integrated out.")


# Parameters of likelihoods that have a flag of their own; the others are written with its name.
PARAMETERS = {
    "df": (float, "Degrees of freedom of student-t noise."),
    "link": (str, "Of bernoulli: logit or probit."),
}


def meanings(kind: type) -> dict[str, Meaning]:
    """What is told of each key of a class."""
    return {one.name: one.metadata["meaning"] for one in dataclasses.fields(kind)}


def kinds(kind: type) -> dict[str, Any]:
    """What each key of a class holds."""
    return get_type_hints(kind)
