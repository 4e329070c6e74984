"""How chains are run where a posterior is not sampled by rejection: a configuration of its own."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnpost.samplers.kernels.methods import METHODS
from bnnpost.sweeps.config import (
    ConfigError,
    SweepConfig,
    beside,
    check_keys,
    config_of,
    one_of,
    read_toml,
    typed,
    with_flags,
)
from bnnpost.sweeps.keys import COUPLED, REJECTION, ChainKeys

_OF_REJECTION = ("bound", "cap", "max_proposals", "executor", "jobs", "scheduler", "force")
_OF_CHAINS = ("num_chains", "num_warmup", "thinning")
_OF_PAIRS = ("kernel", "lag", "max_steps")
# The settings that each method takes, besides those of all.
_TAKEN = {
    REJECTION: _OF_REJECTION,
    COUPLED: ("tolerance", *_OF_PAIRS),
    **{name: (*_OF_CHAINS, *method.settings) for name, method in METHODS.items()},
}


@dataclass(frozen=True)
class ChainConfig(ChainKeys):
    """Chains by one method, with the keys of `ChainKeys`, checked.

    As in `hmc.sample` and, where the method is "coupled", in `coupled.sample`.
    """

    def __post_init__(self) -> None:
        check_keys(self, ChainKeys)
        # The numbers are for the kernel, and what runs it, to check.
        one_of("method", self.method, (COUPLED, *METHODS))

    def made_kernel(self) -> Any:
        """What moves the chains. Raises ValueError for settings that do not go together."""
        method = METHODS[self.method]
        return method.make(self._given(method.settings))

    def options(self) -> dict[str, Any]:
        """What else `chains.sample`, or `coupled.sample`, is given."""
        own = _OF_PAIRS if self.method == COUPLED else _OF_CHAINS
        return self._given((*own, "space", "collapse"))

    def _given(self, names: Iterable[str]) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

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
    one_of("method", typed("method", str, method), tuple(_TAKEN))  # type: ignore[arg-type]
    own = {field.name for field in dataclasses.fields(ChainConfig)} - {"space", "collapse"}
    # A file is read by sweeps as well, whose keys say nothing about chains.
    check_taken(str(method), {name for name in values if name in own} | set(overrides))
    both = with_flags(beside(values, source), overrides)
    config = config_of({n: v for n, v in both.items() if n not in own}, source)
    if method == REJECTION:
        return config, None
    chosen = {name: value for name, value in both.items() if name in own | {"space", "collapse"}}
    if chosen.get("space") == "auto":
        chosen.pop("space")
    return config, ChainConfig(**chosen)  # type: ignore[arg-type]


def check_taken(method: str, names: Collection[str]) -> None:
    """Raise ConfigError for the names of settings that a method does not take."""
    for name in sorted(names):
        takers = [other for other, taken in _TAKEN.items() if name in taken]
        if takers and method not in takers:
            raise ConfigError(
                f"{name} does not apply to method {method}: it is for {', '.join(takers)}"
            )
