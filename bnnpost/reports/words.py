"""What numbers of a sweep mean, in words that are true in every case."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnpost.datasets import DataRecord
from bnnpost.plots.curves import Rate
from bnnpost.spelling import paired, rounded
from bnnpost.summaries.summary import Tone
from bnnpost.summaries.values import Number, Span, Text, Words
from bnnpost.sweeps import laws
from bnnpost.sweeps.row_choice import said_rows

# Of each distance: its name in a sentence, its name in a table, its unit, and colour.
DISTANCES = {
    "tv": ("total variation", "total variation", "", "blue"),
    "kl": ("the KL divergence", "KL divergence", "nats", "red"),
    "w1": ("the Wasserstein-1 distance", "Wasserstein-1", "units of f", "blue"),
    "w2": ("the Wasserstein-2 distance", "Wasserstein-2", "units of f", "blue"),
    "mean_error": ("the error of the mean", "mean", "units of f", "ochre"),
    "variance_error": ("the error of the variance", "variance", "units of f²", "green"),
    "covariance_error": ("the error of the covariance", "covariance", "units of f²", "green"),
    "log_evidence_error": ("that of the log evidence", "log evidence", "nats", "purple"),
}
# Of each score of predictions its name.
SCORES = {
    "log_loss": "log loss (nats)",
    "accuracy": "accuracy",
    "squared_error": "squared error of the mean",
}
# What draws of coupled chains are called, and a sweep with some that are not near enough; each kind
# of draws in a sentence, and as a mark.
AT_A_DISTANCE = "Coupled draws: at a measured distance"
NOT_NEAR = "not met, or not within the tolerance"
DRAWN = {
    "exact": "exact draws",
    "capped": "weighted draws",
    "coupled": "independent draws by coupled chains",
}
MARKS: dict[str, tuple[str, Tone]] = {
    "exact": ("Exact draws", "good"),
    "capped": ("Weighted draws: capped, not exact", "plain"),
    "coupled": (AT_A_DISTANCE, "plain"),
}


def is_fitted(rate: Rate) -> bool:
    """Whether a power law was fitted."""
    return math.isfinite(rate["exponent"])


def agrees(rate: Rate) -> bool:
    """Whether theory's exponent is in the fitted one's interval."""
    return rate["exponent_low"] <= rate["theory"] <= rate["exponent_high"]


def interval(rate: Rate) -> Span:
    """Return the 95 % interval of the exponent."""
    ends = f"[{signed(rate['exponent_low'])}, {signed(rate['exponent_high'])}]"
    return Span(ends, "interval")


def signed(value: float) -> str:
    """Return an exponent or an end of its interval as text: −0.99."""
    return str(Number(value, digits=2, form="places"))


def whole_text(value: float) -> str:
    """Return theory's exponent as text: −1."""
    return f"{value:g}".replace("-", "−")


def trend(rate: Rate) -> Text:
    """Return how a distance changes with width: "falls as width^−0.99 [−1.02, −0.96]"."""
    exponent = signed(rate["exponent"])
    if rate["exponent_low"] <= 0 <= rate["exponent_high"]:
        return Text.of(f"shows no clear trend in width (exponent {exponent} ", interval(rate), ")")
    verb = "falls" if rate["exponent"] < 0 else "grows"
    return Text.of(f"{verb} as width", Span(exponent, "power"), " ", interval(rate))


def by_two(attributes: Mapping[Any, Any]) -> bool:
    """Return whether rates are slopes between two widths, by the attributes of their group."""
    return int(attributes["num_fitted"]) == 2


def headline(rate: Rate, widest: tuple[int, float, float], reason: str, two: bool = False) -> Words:
    """Return what was found of total variation, in one sentence.

    widest: the widest network, its total variation and standard error. reason: why there is no
    rate, if there is none. two: see `by_two`.
    """
    if is_fitted(rate):
        side = "inside" if agrees(rate) else "outside"
        theory = f"; theory’s exponent {whole_text(rate['theory'])} lies {side} this interval."
        if not two:
            return Text.of("Total variation from the infinite-width limit ", trend(rate), theory)
        return Text.of(
            "Between two widths total variation from the infinite-width limit ",
            trend(rate),
            f"{theory} Two widths do not show a power law: a third would check it.",
        )
    width, value, error = widest
    size = (
        paired(value, error)
        if value > 0
        else f"lost in its noise (standard error {rounded(error, 1)})"
    )
    return (
        f"At width {width:,} the total variation from the infinite-width limit is {size}; "
        f"no rate was fitted: {reason}."
    )


def others(rates: Mapping[str, Rate], start: int, two: bool = False) -> Text | None:
    """Return the other rates in a sentence; None if none was fitted. two: see `by_two`."""
    where = f"{'Between the two widths' if two else 'Fitted'} from width {start} on"
    parts: list[str | Text] = []
    for name in ("kl", "mean_error", "variance_error", "log_evidence_error"):
        rate = rates.get(name)
        if rate is None or not is_fitted(rate):
            continue
        label = DISTANCES[name][0]
        label = f", {label}" if parts else label[:1].upper() + label[1:]
        theory = "" if agrees(rate) else f" (theory {whole_text(rate['theory'])})"
        parts += [f"{label} ", trend(rate), theory]
    if parts:
        return Text.of(*parts, f". {where}; intervals are of 95 %.")
    if any(is_fitted(rate) for rate in rates.values()):
        return Text.of(f"{where}; the interval is of 95 %.")
    return None


def problem(config: Mapping[str, Any], record: DataRecord | None = None) -> str:
    """Data, network and noise of a configuration, in a sentence. record: of its data, if known."""
    rows = said_rows(config) if record is None else record.used()
    name = Path(str(config["data"])).name
    return f"{name}: {rows}; {network(config)}; {likelihood(config, record)}"


def likelihood(config: Mapping[str, Any], record: DataRecord | None = None) -> str:
    """The likelihood of a configuration."""
    given = config.get("likelihood")
    if given is not None:
        return f"likelihood {laws.text(given)}"
    own = "" if record is None else record.noise(float(config["noise_std"]))
    return f"Gaussian noise of std {config['noise_std']:.4g}{f' ({own})' if own else ''}"


def in_units(record: DataRecord | None) -> str:
    """What f is in: "in units of quality"."""
    return f"in units of {'the target' if record is None else record.unit}"


def network(config: Mapping[str, Any]) -> str:
    """The network of a configuration."""
    if config.get("layers"):
        return f"network of layers {', '.join(str(one['type']) for one in config['layers'])}"
    if config.get("network"):
        return f"network {config['network']}"
    layers = "1 hidden layer" if config["depth"] == 1 else f"{config['depth']} hidden layers"
    named = ("w_std", "b_std", "readout_w_std", "readout_b_std", "weight_prior", "bias_prior")
    told = [f"{name} {laws.text(config[name])}" for name in named if config.get(name) is not None]
    return f"{config['activation']} network of {layers}, {', '.join(told)}"


def recorded_text(num_points: int, network_: Any, likelihood_: Any) -> str:
    """What a file of draws says of its posterior, in a sentence."""
    points = "1 training point" if num_points == 1 else f"{num_points:,} training points"
    named = isinstance(likelihood_, dict) and "type" in likelihood_
    told = laws.text(likelihood_) if named else "with code of its own"
    return f"{points}; likelihood {told}; network {_layers(network_)}."


def _layers(record: Any) -> str:
    if not isinstance(record, list):
        return "with code of its own"
    return ", ".join(
        f"{one['type']} {one['width']:,}" if isinstance(one.get("width"), int) else str(one["type"])
        for one in record
    )
