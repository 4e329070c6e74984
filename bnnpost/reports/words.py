"""What numbers of a sweep mean, in words that are true in every case."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnpost.datasets import DataRecord
from bnnpost.spelling import paired, rounded
from bnnpost.summaries import Html, element, join
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
MARKS = {
    "exact": ("Exact draws", "good"),
    "capped": ("Weighted draws: capped, not exact", "plain"),
    "coupled": (AT_A_DISTANCE, "plain"),
}
Rate = Mapping[str, float]


def is_fitted(rate: Rate) -> bool:
    """Whether a power law was fitted."""
    return math.isfinite(rate["exponent"])


def agrees(rate: Rate) -> bool:
    """Whether theory's exponent is in the fitted one's interval."""
    return rate["exponent_low"] <= rate["theory"] <= rate["exponent_high"]


def interval(rate: Rate) -> Html:
    """The 95 % interval of the exponent."""
    return element("span", f"[{signed(rate['exponent_low'])}, {signed(rate['exponent_high'])}]",
                   class_="interval")  # fmt: skip


def signed(value: float) -> str:
    """An exponent or its interval's end: −0.99."""
    text = f"{value:.2f}".replace("-", "−")
    return text if float(f"{value:.2f}") else "0.00"


def whole_text(value: float) -> str:
    """Theory's exponent: −1."""
    return f"{value:g}".replace("-", "−")


def trend(rate: Rate) -> Html:
    """How a distance changes with width: "falls as width^−0.99 [−1.02, −0.96]"."""
    if rate["exponent_low"] <= 0 <= rate["exponent_high"]:
        return join(
            ["shows no clear trend in width (exponent ", signed(rate["exponent"]), " ",
             interval(rate), ")"]
        )  # fmt: skip
    verb = "falls" if rate["exponent"] < 0 else "grows"
    power = element("sup", signed(rate["exponent"]))
    return join([f"{verb} as width", power, " ", interval(rate)])


def by_two(attributes: Mapping[Any, Any]) -> bool:
    """Whether rates are slopes between two widths, by what their group says of itself."""
    return int(attributes.get("num_fitted", 3)) == 2


def headline(
    rate: Rate, widest: tuple[int, float, float] | None, reason: str, two: bool = False
) -> Html:
    """What was found of total variation, in one sentence.

    widest: the widest network, its total variation and standard error; None if none was run.
    reason: why there is no rate, where there is none. two: see `by_two`.
    """
    if is_fitted(rate):
        theory = whole_text(rate["theory"])
        verdict = (
            f"; theory’s exponent {theory} lies inside this interval."
            if agrees(rate)
            else f"; theory’s exponent {theory} lies outside this interval."
        )
        if two:
            verdict = verdict[:-1] + ". Two widths do not show a power law: a third would check it."
            return join(
                ["Between two widths total variation from the infinite-width limit ", trend(rate),
                 verdict]
            )  # fmt: skip
        return join(["Total variation from the infinite-width limit ", trend(rate), verdict])
    if widest is None:
        return join(["No width is finished yet: there is nothing to say of the limit."])
    width, value, error = widest
    if value <= 0:
        return join(
            [f"At width {width:,} the total variation from the infinite-width limit is lost in "
             f"its noise (standard error {rounded(error, 1)}); no rate was fitted: {reason}."]
        )  # fmt: skip
    return join(
        [f"At width {width:,} the total variation from the infinite-width limit is "
         f"{paired(value, error)}; no rate was fitted: {reason}."]
    )  # fmt: skip


def others(rates: Mapping[str, Rate], start: int, two: bool = False) -> Html | None:
    """The other rates in a sentence; None where none was fitted. two: see `by_two`."""
    fitted = f"{'Between the two widths' if two else 'Fitted'} from width {start} on"
    parts: list[object] = []
    for name in ("kl", "mean_error", "variance_error", "log_evidence_error"):
        rate = rates.get(name)
        if rate is None or not is_fitted(rate):
            continue
        where = "" if agrees(rate) else f" (theory {whole_text(rate['theory'])})"
        parts.append(join([DISTANCES[name][0], " ", trend(rate), where]))
    tail = f". {fitted}; intervals are of 95 %."
    if not parts:
        any_rate = any(is_fitted(rate) for rate in rates.values())
        return join([f"{fitted}; the interval is of 95 %."]) if any_rate else None
    sentence = join(parts, ", ")
    return Html(sentence[:1].upper() + sentence[1:] + join([tail]))


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


def on_the_scale_of_f(attributes: Mapping[Any, Any]) -> bool:
    """Whether targets are numbers with noise, by what a file says of them."""
    return attributes.get("target_kind", "numbers") == "numbers"


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
