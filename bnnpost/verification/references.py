"""What a candidate is compared with: independent draws from the posterior itself."""

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.draws import Draws, draws_files
from bnnpost.draws.info import unseen_words
from bnnpost.likelihoods.records import from_record
from bnnpost.networks import from_spec
from bnnpost.networks.layers import Layer
from bnnpost.posterior import Posterior
from bnnpost.samplers import rejection
from bnnpost.samplers.forecast import Option, forecast, quickest
from bnnpost.samplers.plan import LARGEST_PARETO_K
from bnnpost.storage import read_dataset
from bnnpost.verification.reference_values import components, reference_arrays
from bnnpost.verification.repeats import copies, repeated_draws, worth
from bnnpost.verification.sets import TEST, TRAIN, FromFile

if TYPE_CHECKING:
    import xarray as xr

# A reference drawn on the spot has five times the candidate's draws, within these.
_TIMES, _FEWEST, _MOST = 5, 2_000, 20_000
# Draws on the spot are strict where these take so many seconds at most here, and no more than so
# many times the proposals that were forecast; else capped.
_LONGEST, _OVERRUN = 60.0, 4
_EVIDENCE = ("log_evidence", "log_evidence_se")
_UNSEEN = "unseen_mass_upper"
_WAYS = {"exact": "exact rejection", "capped": "capped rejection", "coupled": "coupled chains"}
# A reference that may be further from the posterior, in total variation, would tell nothing.
_FARTHEST = 0.1


@dataclass(frozen=True)
class Reference:
    """Independent draws from the posterior, equally weighted; a few may be there more than once.

    doubt: what the draws may lack of the posterior, in words; "" of exact ones. distance: in total
    variation, of a draw's law from the posterior, at most, where that is what is known of it.

    values: by "f" and "f_train", [draw, point, output], of the same draws. components: means
    and variances [draw, point, output] of what each draw was drawn from given its hidden
    layers, where that is known. x_test, x_train [point, feature]: inputs of "f" and of
    "f_train", where these are known. source: in words. network, posterior: that the draws
    are of, where these are known. origins: which draw each row is, None where all are different.
    """

    values: Mapping[str, Float[np.ndarray, "draw point output"]]
    components: Mapping[str, tuple[np.ndarray, np.ndarray]]
    x_test: Float[np.ndarray, "m *f"] | None
    source: str
    x_train: Float[np.ndarray, "n *f"] | None = None
    doubt: str = ""
    distance: float = 0.0
    log_evidence: float | None = None
    log_evidence_se: float | None = None
    network: Layer | None = None
    posterior: Posterior | None = None
    origins: Int[np.ndarray, " draw"] | None = None

    @property
    def rows(self) -> Int[np.ndarray, " draw"]:
        """Which draw each row is."""
        if self.origins is not None:
            return self.origins
        return np.arange(len(next(iter(self.values.values()))))

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Points and outputs of each set."""
        return {name: array.shape[1:] for name, array in self.values.items()}


def drawn_reference(key: Array, posterior: Posterior, num_candidates: int) -> Draws:
    """Draws from a posterior to compare so many with. Raises ValueError where rejection fails."""
    return independent_draws(key, posterior, min(max(_TIMES * num_candidates, _FEWEST), _MOST))


def independent_draws(key: Array, posterior: Posterior, count: int) -> Draws:
    """So many by rejection: strict where that is quick, else capped, with their weights.

    Raises ValueError where rejection fails.
    """
    forecast_key, sample_key = jax.random.split(key)
    found = forecast(forecast_key, posterior, calibrate=("functions",))
    strict_key, capped_key = jax.random.split(sample_key)
    if found.options:
        draws = _strict(strict_key, posterior, quickest(found, count), count)
        if draws is not None:
            return draws
    draws = rejection.sample(capped_key, posterior, num_samples=count, bound="capped")
    k = draws.info.pareto_k
    if k is None or k > LARGEST_PARETO_K:
        raise ValueError(
            f"rejection has no reference for this posterior: weights of capped draws have a "
            f"Pareto k of {'unknown size' if k is None else format(k, '.2f')}, expected at most "
            f"{LARGEST_PARETO_K}. Draws of bnnpost.coupled.sample may serve as one; "
            "bnnpost.calibrate checks samplers without a reference"
        )
    return draws


def _strict(key: Array, posterior: Posterior, option: Option, count: int) -> Draws | None:
    """Exact draws if they are in reach, by the forecast and by how it then goes."""
    seconds = option.seconds(count)
    if seconds is None or seconds > _LONGEST:
        return None
    draws = rejection.sample(
        key,
        posterior,
        num_samples=count,
        space=option.space,
        collapse=option.bound != "naive",
        bound="strict" if option.bound == "naive" else option.bound,
        max_proposals=math.ceil(_OVERRUN * option.proposals(count)),
    )
    return draws if draws.info.complete else None


def opened(given: object) -> object:
    """The draws in a file of `Draws.save`, or values in another; anything else as it is.

    Raises FileNotFoundError; ValueError for damaged files, and for those of anything else.
    """
    if not isinstance(given, str | os.PathLike):
        return given
    path = Path(given)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    data = read_dataset(path)
    if _holds_values(data):
        return FromFile(path, data)
    return Draws(*draws_files.read(path, None, data))


def _holds_values(data: "xr.Dataset") -> bool:
    """Whether it is of function values with a record, as `bnnpost sample` writes them."""
    return TEST in data and "kind" in data.attrs


def reference_of(key: Array, given: object, x_test: object | None) -> Reference:
    """The reference that draws, a file of them, or what is in one, make.

    Raises TypeError for anything else; FileNotFoundError; ValueError for files of anything else,
    damaged, or that do not say that their draws are exact.
    """
    import xarray as xr

    given, source = opened(given), "the data set"
    if isinstance(given, FromFile):
        source, given = str(given.path), given.contents
    if isinstance(given, xr.Dataset) and _holds_values(given):
        return of_values(key, given, x_test, source)
    if isinstance(given, Draws):
        return reference_of_draws(key, given, x_test)
    raise TypeError(
        "expected a reference of exact or capped bnnpost.Draws, the path of a file of them, or a "
        f"bnnpost.Posterior to draw from; got {type(given).__name__}: bare values do not say that "
        "they are exact"
    )


def reference_of_draws(key: Array, draws: Draws, x_test: object | None) -> Reference:
    """The reference that independent draws make. Raises ValueError for any others."""
    coupled = draws.info.coupled
    require_fit(draws.info.kind, draws.info.pareto_k, None if coupled is None else coupled.tv_upper)
    points = None if x_test is None else draws.posterior.checked_test_points(x_test)
    found = _of_recorded(key, reference_arrays(draws, points), "")
    return dataclasses.replace(found, network=draws.posterior.network, posterior=draws.posterior)


def require_fit(
    kind: str, pareto_k: float | None, tv_upper: float | None, source: str = ""
) -> None:
    """Raise ValueError for draws that a verdict could not be built on."""
    where = f"{source}: " if source else ""
    if kind not in ("exact", "capped", "coupled"):
        raise ValueError(
            f"{where}expected a reference of exact, capped or coupled draws, got draws of kind "
            f"{kind!r}: a verdict would say nothing of the posterior"
        )
    if kind == "capped" and (pareto_k is None or pareto_k > LARGEST_PARETO_K):
        raise ValueError(
            f"{where}expected capped draws whose weights have a Pareto k of at most "
            f"{LARGEST_PARETO_K}, got {pareto_k}: they may miss part of the posterior. Draw "
            "more, or with a higher cap"
        )
    if kind == "coupled" and (tv_upper is None or tv_upper > _FARTHEST):
        raise ValueError(
            f"{where}expected coupled draws at most {_FARTHEST:g} in total variation from the "
            f"posterior, got a limit of {tv_upper}: a verdict would say next to nothing. Draw more "
            "pairs, with a smaller tolerance"
        )


def of_values(key: Array, data: "xr.Dataset", x_test: object | None, source: str) -> Reference:
    """The reference that function values make, as `bnnpost sample` and the zoo write them.

    Raises ValueError for values at other inputs than x_test, or of draws that are not exact.
    """
    k = data.attrs.get("pareto_k")
    pareto_k = float(k) if k not in (None, "null") else None
    require_fit(data.attrs["kind"], pareto_k, _distance(data.attrs), source)
    inputs = np.asarray(data["x_test"], np.float64)
    if x_test is not None and not _same(inputs, np.asarray(x_test, np.float64)):
        raise ValueError(
            f"{source} holds values at test inputs of its own, x_test [{len(inputs)}, …], and not "
            "at those given: leave x_test out, or give the file of the draws themselves"
        )
    return _of_recorded(key, data, source)


def _of_recorded(key: Array, data: "xr.Dataset", source: str) -> Reference:
    """The reference in labelled arrays, weighted draws made equally weighted."""
    attributes, count = dict(data.attrs), data.sizes["sample"]
    log_weights = np.asarray(data.get("log_weight", np.zeros(count)), np.float64)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    chosen = repeated_draws(log_weights, rng)
    made = f"independent draws by {_WAYS[attributes['kind']]}"
    if np.ptp(log_weights) > 0:
        made += f", worth {worth(copies(chosen)):,.0f} of equal weights"
    arrays = {
        n: np.asarray(data[n], np.float64) for n in (TEST, TRAIN, "x_test", "x_train") if n in data
    }
    origin = f", from {source}" if source else ""
    evidence = {n: float(attributes[n]) for n in _EVIDENCE if n in attributes}
    if not all(map(math.isfinite, evidence.values())):
        evidence = {}
    return Reference(
        {n: arrays[n][chosen] for n in (TEST, TRAIN) if n in arrays},
        {n: (m[chosen], v[chosen]) for n, (m, v) in components(data).items()},
        arrays.get("x_test"),
        f"{count:,} {made}{origin}",
        arrays.get("x_train"),
        _doubt(attributes),
        _distance(attributes) or 0.0,
        network=_network(attributes),
        posterior=_posterior(data),
        origins=chosen,
        **evidence,
    )


def _network(attributes: Mapping[str, object]) -> Layer | None:
    """As a reference of the zoo describes it."""
    spec = attributes.get("network")
    return None if spec is None else from_spec(json.loads(str(spec)))


def _posterior(data: "xr.Dataset") -> Posterior | None:
    """The same, where likelihood and data are there too."""
    network = _network(data.attrs)
    if (
        network is None
        or "likelihood" not in data.attrs
        or "y" not in data
        or "x_train" not in data
    ):
        return None
    likelihood = from_record(json.loads(str(data.attrs["likelihood"])))
    return Posterior(network, likelihood, data["x_train"].values, data["y"].values)


def _doubt(attributes: Mapping[str, object]) -> str:
    """What draws may lack, from their record. Raises ValueError for one that does not say it."""
    if attributes["kind"] == "exact":
        return ""
    if attributes["kind"] == "coupled":
        return (
            f"a reference of coupled chains, each draw's law at most {_distance(attributes):.2g} "
            "in total variation from the posterior, at 95 %, which all checks allow for"
        )
    if _UNSEEN not in attributes:
        raise ValueError(
            f"expected capped draws with the attribute {_UNSEEN}, which says what they may lack, "
            "as bnnpost sample and the zoo write it, found none: draw them again"
        )
    is_fitted = attributes.get("fitted") in (True, "true")
    what = "a reference led by fits" if is_fitted else "a capped reference"
    unseen = float(attributes[_UNSEEN])  # type: ignore[arg-type]
    return f"{what}, with {unseen_words(unseen)}"


def _distance(attributes: Mapping[str, object]) -> float | None:
    """Of coupled draws, the limit of their law's distance from the posterior; None of others."""
    coupled = json.loads(str(attributes.get("coupled", "null")))
    return None if coupled is None else float(coupled["tv_upper"])


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    b = b[:, None] if b.ndim == 1 and a.ndim == 2 else b
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-9)
