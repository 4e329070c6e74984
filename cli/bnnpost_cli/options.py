"""The flags that commands share. Each stands for the configuration key of the same name.

A flag that is not given is None here, so that the configuration's own default holds; the
defaults are spelled in the help texts, and a test holds them against the configuration.
"""

from collections.abc import Callable
from typing import Any

import click

from bnnpost.samplers.chains.methods import METHODS
from bnnpost_cli import completed

_MOST_SHARES = 1_000_000

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


class _Widths(click.ParamType):
    """Comma-separated whole numbers."""

    name = "N,N,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        try:
            return tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(
                f"expected whole numbers with commas between, such as 4,16,64, got {_short(value)}"
            )


class _Width(click.ParamType):
    """One whole number, also where a list of widths would do."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return int(value)
        except ValueError:
            self.fail(f"expected one width, such as 64, got {_short(value)}; sweep takes several")


class _Law(click.ParamType):
    """A number, or a law as it is written in Python."""

    name = "FLOAT|LAW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        try:
            return float(value)
        except ValueError:
            return str(value)


class Fraction(click.ParamType):
    """A share and how many there are, such as 0/4."""

    name = "i/k"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        try:
            index, count = map(int, str(value).split("/"))
        except ValueError:
            self.fail(f"expected a share and their number, such as 0/4, got {value!r}")
        if count > _MOST_SHARES:
            self.fail(f"expected at most {_MOST_SHARES:,} shares, got {_short(value)}")
        if count < 1:
            self.fail(f"expected at least one share, such as 0/1, got {value!r}")
        if not 0 <= index < count:
            self.fail(f"expected a share from 0/{count} to {count - 1}/{count}, got {value!r}")
        return index, count


def _option(
    name: str,
    kind: Any,
    text: str,
    default: str | None = None,
    *other: str,
    offers: completed.Completion | None = None,
) -> Decorator:
    """other: further spellings of the same flag. offers: what the Tab key offers."""
    shown = text if default is None else f"{text} [default: {default}]"
    names = (f"--{name}", *other, name.replace("-", "_"))
    return click.option(*names, type=kind, help=shown, shell_complete=offers)


_DATA = (
    _option(
        "data",
        str,
        "Shipped data set or generator, or a CSV or npz file.",
        "diabetes",
        offers=completed.data_sets,
    ),
    _option("target", str, "Target column(s) of a file, comma-separated."),
    _option("features", str, "Input columns of a file, comma-separated. [default: all others]"),
    click.option(
        "--standardise/--no-standardise",
        default=None,
        help="Zero mean, unit std of features and targets over all rows. [default: standardise]",
    ),
    _option("split-seed", int, "Seed of the row order: the first rows train, the next test.", "0"),
    _option("num-train", int, "Training points.", "5"),
    _option("num-test", int, "Test points.", "5"),
)
_NETWORK = (
    _option("widths", _Widths(), "Units of the hidden layers.", "4,16,64,256,1024", "--width"),
    _option(
        "network",
        str,
        "Layers in the place of a perceptron's settings: a TOML or JSON file with a list of "
        "them, or module:function, a function of width and num_outputs that returns the network.",
    ),
    _option("depth", int, "Hidden layers.", "2"),
    _option("activation", str, "Activation: relu, erf, tanh, … (all: bnnpost info).", "erf"),
    _option("w-std", _Law(), "Prior std of weights, times √fan_in.", "1.5"),
    _option("b-std", _Law(), "Prior std of biases; 0 for none.", "0.1"),
    _option("readout-w-std", _Law(), "The same for the readout. [default: as w-std]"),
    _option("readout-b-std", _Law(), "The same for the readout. [default: as b-std]"),
    _option(
        "weight-prior",
        str,
        'Law of hidden weights, times w_std/√fan_in: "Laplace(0, 0.7)". [default: Normal(0, 1)]',
    ),
    _option("bias-prior", str, "The same for biases, times b_std. [default: Normal(0, 1)]"),
)
_MODEL = (
    _option("noise-std", float, "Std of the Gaussian observation noise.", "0.316 (√0.1)"),
    _option("seed", int, "Seed of every random number.", "0"),
)
_PROPOSALS = _option("num-proposals", int, "Proposals of the comparison with the limit.", "40000")
_SAMPLING = (
    _option("num-samples", int, "Draws at each width.", "1000"),
    _option(
        "bound", str, "strict: exact draws; capped: weighted draws, for many points.", "strict"
    ),
    _option("cap", float, "Log cap of capped draws, in nats. [default: by a pilot]"),
    _PROPOSALS,
    _option("max-proposals", int, "Stop a width after this many proposals. [default: no limit]"),
    _option("space", str, "Where to draw: auto, functions or weights.", "auto"),
    click.option(
        "--collapse/--no-collapse",
        default=None,
        help="Integrate the readout out (many times the acceptance). [default: collapse]",
    ),
    _option("precision", str, "Of the random features: single or double.", "single"),
)
_METHOD = _option(
    "method",
    click.Choice(("rejection", *METHODS)),
    "rejection: independent draws. Chains of dependent draws, for what rejection has no hope of: "
    "hmc and nuts follow gradients, pcn and slice turn functions.",
    "rejection",
)
_CHAINS = (
    _option("num-chains", int, "Chains: how many.", "4", "--chains"),
    _option(
        "num-warmup",
        int,
        "Chains: transitions before draws are kept, in which step sizes are adapted.",
        "1000; slice: 100",
        "--warmup",
    ),
    _option("thinning", int, "Chains: keep one transition in so many.", "1"),
    _option("step-size", float, "hmc, nuts, pcn: a step size that stays. [default: adapted]"),
    _option(
        "target-accept",
        float,
        "hmc, nuts, pcn: acceptance that step sizes are adapted to.",
        "0.8; pcn: 0.3",
    ),
    _option("num-steps", int, "hmc: steps of one trajectory. [default: chosen by hmc.sample]"),
    _option("integrator", str, "hmc: leapfrog or rotation. [default: by the space]"),
    _option("max-tree-depth", int, "nuts: at most 2^N − 1 steps of one trajectory.", "10"),
)
_CONFIG = (
    click.option(
        "--config",
        default=None,
        shell_complete=completed.configurations,
        metavar="FILE",
        help="TOML file with these settings as keys, or a shipped one (bnnpost info lists "
        "them); flags go on top.",
    ),
)


def _all(options: tuple[Decorator, ...]) -> Decorator:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


problem_options = _all((*_CONFIG, *_DATA, *_NETWORK, *_MODEL))
sweep_options = _all((*_CONFIG, *_DATA, *_NETWORK, *_MODEL, *_SAMPLING))
sample_options = _all(
    (
        *_CONFIG,
        _METHOD,
        *_DATA,
        _option("width", _Width(), "Units of the hidden layers.", None, "--widths"),
        *_NETWORK[1:],
        *_MODEL,
        _option("num-samples", int, "Draws; of chains, draws of each.", "1000", "--samples"),
        *(option for option in _SAMPLING[1:] if option is not _PROPOSALS),
        *_CHAINS,
    )
)
forecast_options = _all((*_CONFIG, *_DATA, *_NETWORK, *_MODEL, _SAMPLING[0]))

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def given(flags: dict[str, Any]) -> dict[str, Any]:
    """The flags that were given."""
    return {name: value for name, value in flags.items() if value is not None}
