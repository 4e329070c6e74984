"""How far predictions of theory are from a posterior that was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from bnnpost.posterior import Posterior, require_posterior
from bnnpost.summaries import Described
from bnnpost.summaries.summary import Section, ShownColumn, ShownTable, Summary
from bnnpost.summaries.values import Number
from bnnpost.theories import proportional, theory

if TYPE_CHECKING:
    import xarray as xr

PREDICTIONS = ("limit", "first order", "proportional")
_QUANTITIES = ("mean", "variance", "log_evidence")
ERROR_COLUMNS = (
    ShownColumn("prediction", "error of", words=True),
    ShownColumn("mean", "mean (std)"),
    ShownColumn("variance", "variance (rel.)"),
    ShownColumn("log_evidence", "log p(y), nats"),
    ShownColumn("within", "within 1 %", words=True),
)
ERRORS_CAPTION = "Errors of what is predicted, with the standard error of what was measured"
_TOLERANCE = 0.01
_ANSWERS = {True: "yes", False: "no", None: None}


@dataclass(frozen=True)
class TheoryErrors(Described):
    """Errors of what theory predicts of a posterior, measured or exact draws standing for it.

    errors: along `prediction` (limit: of infinite width; first order: `theory`; proportional:
    `proportional`), mean: root mean square over test points and outputs, in the limit's posterior
    std of f; variance: likewise, relative to the limit's variance; log_evidence: predicted −
    measured, nats, NaN where draws do not tell it. Each with the standard error *_se of what was
    measured: of a root mean square at most that. The squares of it are taken off.
    """

    errors: "xr.Dataset"

    def within(self, tolerance: float = 0.01) -> dict[str, bool | None]:
        """Of which predictions mean and variance are within a tolerance.

        None where what was measured is not known so well: a standard error above the tolerance.
        """
        worst, noise = (
            np.maximum(self.errors[f"mean{end}"].values, self.errors[f"variance{end}"].values)
            for end in ("", "_se")
        )
        found = [
            None if error <= tolerance < unknown else bool(error <= tolerance)
            for error, unknown in zip(worst, noise, strict=True)
        ]
        return dict(zip(PREDICTIONS, found, strict=True))

    def rows(self) -> list[dict[str, object]]:
        """Return a row for each prediction, by the keys of `ERROR_COLUMNS`."""
        within = self.within(_TOLERANCE)
        return [
            {
                "prediction": name,
                **{
                    quantity: _with_places(errors[quantity], errors[f"{quantity}_se"])
                    for quantity in _QUANTITIES
                },
                "within": _ANSWERS[within[name]],
            }
            for name in PREDICTIONS
            for errors in [self.errors.sel(prediction=name)]
        ]

    def good(self) -> str:
        """Return the predictions that are within 1 %, as part of a sentence."""
        within = self.within(_TOLERANCE)
        return ", ".join(name for name in PREDICTIONS if within[name]) or "none"

    def describe(self) -> Summary:
        """Return the errors as data, to be printed, made a page or JSON."""
        table = ShownTable("predictions", ERRORS_CAPTION, ERROR_COLUMNS, tuple(self.rows()))
        return Summary(
            title="Errors of theory",
            kind="Predictions held against a measured posterior",
            headline=f"Mean and variance are within 1 % by these predictions: {self.good()}.",
            sections=(Section("Errors", "errors", (table,), brief=True),),
        )


def _with_places(value: "xr.DataArray", error: "xr.DataArray") -> Number:
    return Number(float(value), float(error), digits=4, form="places")


def theory_errors(posterior: Posterior, x_test: object, measured: "xr.Dataset") -> TheoryErrors:
    """Hold the limit, the first order and the proportional limit against one measured posterior.

    measured: what `compare` found of this posterior at these x_test [m, feature], or
    `comparison.by_draws.compare_draws` of draws of it, such as those of coupled chains where
    proposals are too rarely accepted. Raises ValueError where it is of other points, and as
    `theory` and `proportional` do.
    """
    import xarray as xr

    require_posterior(posterior)
    points = posterior.checked_test_points(x_test)
    _check(measured, (len(points), posterior.num_outputs))
    first, renormalised = theory(posterior, points), proportional(posterior, points)
    std = np.sqrt(first.limit_variance)[:, None]
    expected, limit_log_evidence = first.predicted(), measured.attrs["limit_log_evidence"]
    differences = {
        "mean": (0.0, expected["mean_error_by_point"], renormalised.mean - first.limit_mean),
        "variance": (0.0, expected["variance_error_by_point"], renormalised.variance - std**2),
        "log_evidence": (
            *(0.0, expected["log_evidence_error"]),
            renormalised.log_evidence - limit_log_evidence,
        ),
    }
    errors = {
        **_typical("mean", differences, measured, std),
        **_typical("variance", differences, measured, std**2),
        "log_evidence": _away("log_evidence_error", differences["log_evidence"], measured),
        "log_evidence_se": _repeated(measured["log_evidence_error_se"]),
    }
    data = {name: (("prediction",), np.array(values, float)) for name, values in errors.items()}
    return TheoryErrors(xr.Dataset(data, coords={"prediction": list(PREDICTIONS)}))


def _check(measured: object, shape: tuple[int, int]) -> None:
    of = getattr(measured, "data_vars", {}).get("mean_error_by_point")
    if of is None or of.shape != shape:
        raise ValueError(
            "expected measured to be what compare(key, posterior, x_test) found, at "
            f"{shape[0]} points and {shape[1]} outputs, got "
            + (type(measured).__name__ if of is None else f"one at {of.shape[0]} and {of.shape[1]}")
        )


def _typical(
    name: str,
    differences: Mapping[str, Sequence[Any]],
    measured: "xr.Dataset",
    unit: Float[np.ndarray, "m 1"],
) -> dict[str, list[float]]:
    """Root mean squares of what is predicted − measured, in units, and their standard error."""
    noise = _rms(measured[f"{name}_error_by_point_se"] / unit)
    away = [
        _rms(one / unit) for one in _away(f"{name}_error_by_point", differences[name], measured)
    ]
    return {
        name: [max(one**2 - noise**2, 0.0) ** 0.5 for one in away],
        f"{name}_se": _repeated(noise),
    }


def _away(name: str, predicted: Sequence[Any], measured: "xr.Dataset") -> list[Any]:
    return [np.asarray(one) - measured[name].values for one in predicted]


def _repeated(value: Any) -> list[float]:
    return [float(value)] * len(PREDICTIONS)


def _rms(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
