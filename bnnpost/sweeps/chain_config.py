"""How chains are run where a posterior is not sampled by rejection: a configuration of its own."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from bnnpost.sweeps.config import (
    ConfigError,
    SweepConfig,
    check_keys,
    config_of,
    one_of,
    read_toml,
    typed,
)
from bnnpost.sweeps.keys import REJECTION, ChainKeys
from bnnpost.sweeps.likelihoods import overridden

_OF_REJECTION = ("bound", "cap", "max_proposals", "share", "executor", "jobs", "scheduler", "force")
_OF_CHAINS = ("num_chains", "num_warmup", "thinning")
# What each method takes besides.
_OWN = {
    "hmc": ("step_size", "target_accept", "num_steps", "integrator"),
    "nuts": ("step_size", "target_accept", "max_tree_depth"),
    "pcn": ("step_size", "target_accept"),
    "slice": (),
}
METHODS = (REJECTION, *_OWN)


@dataclass(frozen=True)
class ChainConfig(ChainKeys):
    """Chains by one method, with the keys of `ChainKeys`, checked; as in `hmc.sample`."""

    def __post_init__(self) -> None:
        check_keys(self, ChainKeys)
        one_of("method", self.method, tuple(_OWN))
        if self.step_size is not None and not self.step_size > 0:
            raise ConfigError(f"step_size: expected a number above 0, got {self.step_size}")
        if self.target_accept is not None and not 0 < self.target_accept < 1:
            raise ConfigError(
                f"target_accept: expected a number between 0 and 1, got {self.target_accept}"
            )

    def arguments(self) -> dict[str, object]:
        """Arguments of the sampler, those that have a value."""
        given = {name: value for name, value in self.as_dict().items() if name != "method"}
        return {name: value for name, value in given.items() if value is not None}

    def as_dict(self) -> dict[str, object]:
        """Plain data, as it is written to files."""
        return dataclasses.asdict(self)


def load_sample_config(
    source: str | Path | None, overrides: Mapping[str, object]
) -> tuple[SweepConfig, ChainConfig | None]:
    """The configuration of one posterior and how it is sampled; None is by rejection.

    A file may have the keys of both. Raises ConfigError as `load_config` does, and for a flag
    or key that the method does not take.
    """
    values = {} if source is None else read_toml(source)
    method = {**values, **overrides}.get("method", REJECTION)
    one_of("method", typed("method", str, method), METHODS)  # type: ignore[arg-type]
    own = {field.name for field in dataclasses.fields(ChainConfig)} - {"space", "collapse"}
    # A file is read by sweeps as well, whose keys say nothing about chains.
    check_taken(str(method), {name for name in values if name in own} | set(overrides))
    both = overridden(values, overrides)
    config = config_of({n: v for n, v in both.items() if n not in own}, source)
    if method == REJECTION:
        return config, None
    chosen = {name: value for name, value in both.items() if name in own | {"space", "collapse"}}
    if chosen.get("space") == "auto":
        chosen.pop("space")
    return config, ChainConfig(**chosen)  # type: ignore[arg-type]


def check_taken(method: str, names: Collection[str]) -> None:
    """Raise ConfigError for the names of settings that a method does not take."""
    own = {REJECTION: _OF_REJECTION, **{m: (*_OF_CHAINS, *o) for m, o in _OWN.items()}}
    for name in sorted(names):
        takers = [other for other, taken in own.items() if name in taken]
        if takers and method not in takers:
            raise ConfigError(
                f"{name} does not apply to method {method}: it is for {', '.join(takers)}"
            )
