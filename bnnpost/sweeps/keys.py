"""The keys of a configuration but for those of its method, which `samplers.methods` declares."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnpost.settings import setting

# A law, or a likelihood, as plain data.
Record = Mapping[str, Any]
# Of 64 bits, as the keys of JAX's default generator are.
LARGEST_SEED = 2**64 - 1


@dataclass(frozen=True)
class SweepKeys:
    """Keys of one posterior, and of its comparison with the limit; `SweepConfig` checks them."""

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
    seed: int = setting(0, "seed", "Seed of every random number.", least=0, most=LARGEST_SEED)
    network: str | None = setting(
        None, "network",
        "Layers in the place of a perceptron's settings: a TOML or JSON file with a list of "
        "them, or module:function, a function of width and num_outputs that returns the network.",
    )  # fmt: skip
    layers: tuple[Record, ...] | None = setting(
        None, "", "A list of layers as `from_spec` takes it.", read="layers"
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


# Parameters of likelihoods that have a flag of their own; the others are written with its name.
PARAMETERS = {
    "df": (float, "Degrees of freedom of student-t noise."),
    "link": (str, "Of bernoulli: logit or probit."),
}


def is_file(data: str) -> bool:
    """Whether data are a file's, by its path, and none that are shipped."""
    return Path(data).suffix in (".csv", ".npz")


def in_full(data: str) -> str:
    """The name of shipped data as it is, the path of a file wherever it is read from."""
    return str(Path(data).resolve()) if is_file(data) else data
