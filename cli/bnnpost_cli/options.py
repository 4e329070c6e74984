"""The flags that commands share, one for each key of a configuration, of the same name.

A flag that is not given is None here, so that the configuration's own default holds.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import click

from bnnpost.samplers.methods import METHOD, METHODS, Method
from bnnpost.settings import Meaning, kinds, meanings, plain_kind
from bnnpost.sweeps import keys
from bnnpost_cli import completed

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


class _NumberOr(click.ParamType):
    """A whole number, or a word in its place."""

    def __init__(self, word: str) -> None:
        self.name = f"N|{word}"
        self._word = word

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        try:
            return value if value == self._word else int(value)
        except ValueError:
            self.fail(f"expected a whole number or {self._word}, got {_short(value)}")


_CONFIG = click.option(
    "--config",
    default=None,
    shell_complete=completed.configurations,
    metavar="FILE",
    help="TOML file with these settings as keys, or a shipped one (bnnpost info lists "
    "them); flags go on top.",
)
_OFFERS = {
    "data": completed.data_sets,
    "activation": completed.words(completed.ACTIVATIONS),
    "likelihood": completed.words(completed.LIKELIHOODS),
}


def _flag(name: str, kind: Any, told: Meaning, default: str | None) -> Decorator:
    """The flag of a key. default: as help states it, None where it says none."""
    hyphens = name.replace("_", "-")
    names = [f"--{hyphens}", *told.also, name]
    if told.read == "standardise":
        return _standardise(hyphens, _text(told, default))
    if kind is bool:
        names, kind = [f"--{hyphens}/--no-{hyphens}", name], None
    elif name == "method":
        kind = click.Choice(told.choices)
    text = _text(told, default)
    offers = _OFFERS.get(name) or (completed.words(told.choices) if told.choices else None)
    return click.option(*names, type=kind, default=None, help=text, shell_complete=offers)


def _text(told: Meaning, default: str | None) -> str:
    """The help of a flag."""
    return told.help if default is None else f"{told.help} [default: {default}]"


def _standardise(name: str, text: str) -> Decorator:
    """A word, or --no-… for false."""
    words = click.option(f"--{name}", name, type=click.Choice(["train", "all", "true", "false"]),
                         default=None, help=text)  # fmt: skip
    never = click.option(f"--no-{name}", name, flag_value="false", default=None,
                         help="The same as false.")  # fmt: skip
    return _all(never, words)


def _kind(hint: Any, told: Meaning) -> Any:
    """What a flag takes of a key that holds this."""
    if told.read in ("std", "noise"):
        return _Law()
    if told.group == "widths":
        return _Widths()
    if told.word is not None:
        return _NumberOr(told.word)
    return plain_kind(hint) or str


def _default(told: Meaning, default: Any) -> str | None:
    if told.shown is not None or default is None:
        return told.shown
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _group(kind: type, *groups: str) -> list[Decorator]:
    """Flags of the keys of a class in these groups, a group after the other."""
    hints = kinds(kind)
    told = [(name, one, _default(one, getattr(kind, name))) for name, one in meanings(kind).items()]
    return [
        _flag(name, _kind(hints[name], one), one, default)
        for group in groups
        for name, one, default in told
        if one.group == group
    ]


def _all(*options: Decorator) -> Decorator:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_PARAMETERS: list[Decorator] = [
    click.option(f"--{name}", type=kind, default=None, help=text)
    for name, (kind, text) in keys.PARAMETERS.items()
]
_DATA = _group(keys.SweepKeys, "data")
_MODEL = [
    *_group(keys.SweepKeys, "likelihood", "noise"), *_PARAMETERS, *_group(keys.SweepKeys, "seed"),
]  # fmt: skip
_NETWORK = _group(keys.SweepKeys, "network")
_WIDTHS, _SAMPLES = _group(keys.SweepKeys, "widths"), _group(keys.SweepKeys, "samples")
_ONE_WIDTH = click.option(
    "--width", "--widths", "width", type=_Width(), help="Units of the hidden layers."
)
_DRAWS = click.option(
    "--num-samples", "--samples", "num_samples", type=int,
    help="Draws; of chains, draws of each. [default: 1000]",
)  # fmt: skip

problem_options = _all(_CONFIG, *_DATA, *_WIDTHS, *_NETWORK, *_MODEL)


def _methods(*kinds_of: type[Method]) -> list[Decorator]:
    """Flags that choose among these methods, and set them; a setting of several has one flag."""
    names = tuple(name for name, kind in METHODS.items() if kind in kinds_of)
    method = dataclasses.replace(METHOD, choices=names)
    flags = {"method": _flag("method", str, method, METHOD.shown)}
    for kind in kinds_of:
        own = zip(meanings(kind), _group(kind, *_groups(kind)), strict=True)
        for name, flag in own:
            flags.setdefault(name, flag)
    return list(flags.values())


def _groups(kind: type) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.group for one in meanings(kind).values()))


_COMPARISON = _group(keys.SweepKeys, "comparison")
_ALL = tuple(dict.fromkeys(METHODS.values()))
_INDEPENDENT = tuple(kind for kind in _ALL if kind.independent)
forecast_options = _all(_CONFIG, *_DATA, *_WIDTHS, *_NETWORK, *_MODEL, *_SAMPLES, *_methods(*_ALL))
sweep_options = _all(
    _CONFIG, *_DATA, *_WIDTHS, *_NETWORK, *_MODEL, *_SAMPLES, *_COMPARISON,
    *_methods(*_INDEPENDENT),
)  # fmt: skip
study_options = _all(
    _CONFIG, *_DATA, *_WIDTHS, *_NETWORK, *_MODEL, *_COMPARISON,
)  # fmt: skip
sample_options = _all(
    _CONFIG, *_DATA, _ONE_WIDTH, *_NETWORK, *_MODEL, _DRAWS, *_methods(*_ALL),
)  # fmt: skip

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")

trust_code = click.option(
    "--trust-code", is_flag=True, help="Run the user's code that the run names, module:function."
)


def given(flags: dict[str, Any]) -> dict[str, Any]:
    """The flags that were given."""
    return {name: value for name, value in flags.items() if value is not None}
