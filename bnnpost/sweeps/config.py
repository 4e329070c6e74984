"""What a sweep is: a frozen configuration from TOML and flags, checked before anything runs."""

import hashlib
import importlib.resources
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnpost.arguments import LARGEST_WIDTH, shown
from bnnpost.likelihoods import Gaussian, Likelihood
from bnnpost.naming import unknown
from bnnpost.networks import mlp
from bnnpost.networks.layers import Layer
from bnnpost.networks.priors import prior_of_record, scale_of_record
from bnnpost.samplers.methods import REJECTION, Method, Rejection, method_of, settings_of_all
from bnnpost.settings import ConfigError, check, meanings
from bnnpost.sweeps import laws, likelihoods, networks, row_choice
from bnnpost.sweeps.keys import SweepKeys, is_file

__all__ = ["ConfigError", "SweepConfig", "config_of", "load_config", "shipped_configs"]

# The table of a file that makes a grid of it.
GRID = "grid"
# Settings that may be the path of a file.
_FILES = ("data", "test_data", "network")
_STDS = tuple(name for name, one in meanings(SweepKeys).items() if one.read == "std")
# Settings that are not written where they say nothing.
_SILENT = (
    "network", "layers", "features", "weight_prior", "bias_prior", "likelihood", "id_column",
    "train_rows", "test_rows", "split_column", "test_data", "num_train", "num_test",
)  # fmt: skip


@dataclass(frozen=True)
class SweepConfig(SweepKeys):
    """One sweep over widths, with the keys of `SweepKeys`, checked, and its method.

    Standard deviations are of the prior or the noise, never variances. weight_prior, bias_prior:
    of hidden layers; the readout's stay normal, so that it can be integrated out. A std may be a
    law too: such a network can be sampled, but its limit is no one Gaussian process that a sweep
    could compare it with. Instead of depth, activation and these, layers: a list of layers as
    `from_spec` takes it; or network: the name of code, "module:function". likelihood: None is
    Gaussian noise of std noise_std; any other has its parameters within, and noise_std says
    nothing. method: how draws are made; of a configuration's file its settings are keys too.
    """

    method: Method = Rejection()

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", networks.checked_layers(self.layers))
        check(self, {"std": laws.scale, "prior": laws.prior, "noise": laws.noise})
        self.method.check_goal(self.num_samples)
        row_choice.check_way(self)
        object.__setattr__(self, "standardise", _standardise(self.standardise, self.data))
        if any(width > LARGEST_WIDTH for width in self.widths):
            raise ConfigError(
                f"widths: expected at most {LARGEST_WIDTH}, got {shown(max(self.widths))}"
            )
        if not self.widths or len(set(self.widths)) != len(self.widths):
            raise ConfigError(f"widths: expected different whole numbers, got {shown(self.widths)}")
        record, noise_std = likelihoods.settled(self.likelihood, self.noise_std)
        object.__setattr__(self, "likelihood", record)
        object.__setattr__(self, "noise_std", noise_std)
        self._check_network()

    def made_likelihood(self) -> Likelihood:
        """The likelihood of this sweep."""
        if self.likelihood is None:
            return Gaussian(self.noise_std)  # type: ignore[arg-type]
        return likelihoods.of_record(self.likelihood)

    def _check_network(self) -> None:
        try:
            self.at_width(self.widths[0], 1)
        except ConfigError:
            raise
        except (TypeError, ValueError) as error:
            raise ConfigError(str(error)) from None

    @property
    def own_layers(self) -> bool:
        """Whether the network is given by its layers or by code, not by a perceptron's settings."""
        return self.layers is not None or self.network is not None

    def at_width(self, width: int, num_outputs: int) -> Layer:
        """The network of this sweep at one width."""
        if self.layers is not None:
            return networks.of_layers(self.layers, width, num_outputs)
        if self.network is not None:
            return networks.of_code(self.network, width, num_outputs)
        return mlp(
            width=width,
            depth=self.depth,
            activation=self.activation,
            num_outputs=num_outputs,
            **{name: scale_of_record(getattr(self, name)) for name in _STDS},
            **self._laws(),
        )

    def _laws(self) -> dict[str, object]:
        """Priors of the hidden layers, where one is named; the readout's are normal."""
        normal = prior_of_record(laws.STANDARD)
        found: dict[str, object] = {}
        if self.weight_prior is not None:
            found |= {"prior": prior_of_record(self.weight_prior), "readout_prior": normal}
        if self.bias_prior is not None:
            found["bias_prior"] = prior_of_record(self.bias_prior)
            found["readout_bias_prior"] = None if self.readout_b_std == 0 else normal
        return found

    def as_dict(self) -> dict[str, object]:
        """Plain data, as it is written to files; without settings that say nothing."""
        layers = None if self.layers is None else list(self.layers)
        own = {name: getattr(self, name) for name in meanings(SweepKeys)}
        own |= {"widths": list(self.widths), "layers": layers}
        values: dict[str, Any] = {**own, **self.method.as_dict()}
        silent = [*networks.OF_PERCEPTRON] if self.own_layers else []
        silent += ["method"] if self.method.name == REJECTION else []
        silent += [] if self.likelihood is None else ["noise_std"]
        silent += ["missing"] if self.missing == "refuse" else []
        unused = [name for name in _SILENT if values[name] is None]
        return {name: value for name, value in values.items() if name not in (*silent, *unused)}

    def digest(self) -> str:
        """A short hash that changes with any setting."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()[:16]


def load_config(source: str | Path | None, overrides: Mapping[str, object]) -> SweepConfig:
    """A configuration from a TOML file (or the name of a shipped one), flags on top.

    Raises ConfigError for an unreadable file, an unknown key (naming the close ones) or a
    value that cannot be.
    """
    values = {} if source is None else read_toml(source)
    return config_of(with_flags(beside(values, source), overrides), source)


def with_flags(values: Mapping[str, object], flags: Mapping[str, object]) -> dict[str, object]:
    """Settings of a file with flags on top, one of which may replace several of the file's."""
    return likelihoods.overridden(row_choice.way_overridden(values, flags), flags)


def beside(values: Mapping[str, object], source: str | Path | None) -> dict[str, object]:
    """The settings of a file, with the paths of files that are beside it.

    A relative path is one from the working directory; if nothing is there, from the folder of
    the configuration.
    """
    found = dict(values)
    for name in _FILES:
        path = found.get(name)
        if source is None or not isinstance(path, str) or not Path(path).suffix:
            continue
        other = Path(source).parent / path
        if not Path(path).exists() and other.is_file():
            found[name] = str(other)
    return found


def config_of(values: Mapping[str, object], source: str | Path | None = None) -> SweepConfig:
    """A configuration from keys and values, the file named in what is raised if there is one."""
    known = known_keys(values)
    if GRID in values:
        raise ConfigError(
            f"{source} is a grid of several posteriors, which bnnpost sweep runs: here one "
            "configuration without the table grid is needed"
        )
    for key in values:
        if key not in known:
            where = f"{source}: " if source is not None else ""
            raise ConfigError(where + unknown("configuration key", key, known))
    own = {name: value for name, value in values.items() if name not in _of_methods()}
    own = likelihoods.gathered(networks.resolved(own))
    return SweepConfig(**own, method=method_of(values))  # type: ignore[arg-type]


def known_keys(values: Mapping[str, object]) -> list[str]:
    """Keys of a configuration, the parameters of its likelihood among them."""
    own, parameters = meanings(SweepConfig), likelihoods.parameter_keys(values)
    return list(dict.fromkeys([*own, *_of_methods(), *parameters]))


def _of_methods() -> tuple[str, ...]:
    """The keys that choose a method, and set it."""
    return ("method", *settings_of_all())


def shipped_configs() -> tuple[str, ...]:
    """Names of the configurations that come with the package."""
    folder = importlib.resources.files("bnnpost.sweeps") / "problems"
    return tuple(
        sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))
    )


def read_toml(source: str | Path) -> dict[str, object]:
    """Keys and values of a file, or of the shipped one of that name. Raises ConfigError."""
    path = Path(source)
    try:
        if str(source) in shipped_configs() and not path.is_file():
            folder = importlib.resources.files("bnnpost.sweeps") / "problems"
            return tomllib.loads((folder / f"{source}.toml").read_text(encoding="utf-8"))
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        shipped = ", ".join(shipped_configs())
        raise ConfigError(
            f"no configuration file {source}, and none shipped of that name ({shipped})"
        ) from None
    except RecursionError:
        raise ConfigError(f"{source} is nested too deeply: {networks.FLATTER}") from None
    except (OSError, ValueError) as error:  # of which are tomllib's, and Python's of long numbers
        raise ConfigError(
            f"cannot read the configuration {source}: {error}{_word_without_quotes(path, error)}"
        ) from None


def _word_without_quotes(path: Path, error: Exception) -> str:
    """A hint where the line that TOML refuses has a bare word for its value."""
    line = re.search(r"line (\d+)", str(error))
    if not isinstance(error, tomllib.TOMLDecodeError) or line is None:
        return ""
    text = path.read_text(encoding="utf-8").splitlines()[int(line[1]) - 1 :][:1]
    word = re.match(r"\s*([\w.-]+)\s*=\s*([A-Za-z][^\s\"'#,]*)\s*(#|$)", "".join(text))
    return f'; words are in quotes: {word[1]} = "{word[2]}"' if word else ""


def _standardise(value: object, data: str) -> bool | str:
    """true, false, "train" or "all", of which true is what is usual for such data.

    Of a file it is "train" then, so that results that were over all rows are not taken for these;
    of shipped data "all" is true.
    """
    plain = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
    if plain is True and is_file(data):
        return "train"
    if plain == "all" and not is_file(data):
        return True
    if isinstance(plain, bool) or plain in ("train", "all"):
        return plain  # type: ignore[return-value]
    raise ConfigError(f'standardise: expected true or false, "train" or "all", got {shown(value)}')
