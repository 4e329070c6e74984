"""One-dimensional laws from numpyro as plain data for files, both ways; nothing is executed."""

import warnings
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

_MIXTURES = ("MixtureSameFamily", "MixtureGeneral")
# Two laws are compared at so many values of the first.
_NUM_VALUES = 8


def law_record(law: Any) -> dict[str, object]:
    """{"law": name, "parameters": {…}} with numbers; a mixture has "weights" and "components".

    Raises ValueError for a law that is not of numpyro, or has more to it than such numbers.
    """
    name = type(law).__name__
    if not (law.batch_shape or law.event_shape) and _kind(name) is type(law):
        record = _mixture(law) if name in _MIXTURES else _plain(law)
        if record is not None and _same(law, record):
            return record
    raise ValueError(f"{name} is not a law from numpyro.distributions that its numbers make again")


def _kind(name: object) -> type | None:
    """A class of numpyro.distributions by its name."""
    from numpyro import distributions as laws

    kind = getattr(laws, str(name), None)
    return kind if isinstance(kind, type) and issubclass(kind, laws.Distribution) else None


def _plain(law: Any) -> dict[str, object]:
    parameters = {key: np.asarray(getattr(law, key), np.float64) for key in law.arg_constraints}
    return {
        "law": type(law).__name__,
        "parameters": {key: value.tolist() for key, value in parameters.items()},
    }


def _mixture(law: Any) -> dict[str, object] | None:
    if not hasattr(law.mixing_distribution, "probs"):
        return None
    weights = np.asarray(law.mixing_distribution.probs, np.float64).tolist()
    if type(law).__name__ == "MixtureGeneral":
        components: object = [law_record(part) for part in law.component_distributions]
    elif _kind(type(law.component_distribution).__name__) is type(law.component_distribution):
        components = _plain(law.component_distribution)
    else:
        return None
    return {"law": type(law).__name__, "weights": weights, "components": components}


def _same(law: Any, record: Mapping[str, Any]) -> bool:
    """Whether a record makes the same law: some have more to them than their parameters."""
    try:
        again: Any = law_of_record(record)
    except (TypeError, ValueError):
        return False
    values = law.sample(jax.random.key(0), (_NUM_VALUES,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values outside the other's support
        return bool(np.allclose(again.log_prob(values), law.log_prob(values), rtol=1e-4))


def law_of_record(record: Mapping[str, Any]) -> Any:
    """The law that `law_record` described; ValueError for anything else."""
    name = record.get("law")
    kind = _kind(name)
    if kind is None:
        raise ValueError(f"expected a law of numpyro.distributions, got {name!r}")
    try:
        return _mixed(kind, record) if name in _MIXTURES else kind(**_numbers(record))
    except (KeyError, TypeError) as error:
        raise ValueError(f"expected the numbers of a law {name}: {error}") from None


def _numbers(record: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters: numbers as they are, lists as arrays."""
    return {
        key: np.asarray(value, np.float64) if np.ndim(value) else float(value)
        for key, value in record["parameters"].items()
    }


def _mixed(kind: Any, record: Mapping[str, Any]) -> Any:
    from numpyro import distributions as laws

    mixing = laws.Categorical(probs=np.asarray(record["weights"], np.float64))
    components = record["components"]
    if isinstance(components, Mapping):
        return kind(mixing, law_of_record(components))
    return kind(mixing, [law_of_record(part) for part in components])
