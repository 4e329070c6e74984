"""Draws in one netCDF file: proposal numbers, weights, data and what was sampled."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt

from bnnpost.draws.info import DrawsInfo
from bnnpost.likelihoods.records import from_record, to_record
from bnnpost.networks.specs import from_spec, to_spec
from bnnpost.numerics.precision import in_double_precision
from bnnpost.posterior import Posterior
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Space
from bnnpost.storage import (
    CONTENTS,
    DRAWS,
    DRAWS_FORMAT,
    RECORD,
    check_format,
    dataset_digest,
    read_dataset,
    write_netcdf,
)

if TYPE_CHECKING:
    import xarray as xr

FORMAT = DRAWS_FORMAT
# A file holds what the likelihood says of so many outputs, which tells code of the user's own that
# has changed; it may differ by as much between machines.
_NUM_TOLD, _SAME = 3, 1e-6
_TOLD = "likelihood_values"
_NOT_WRITTEN = "not_written"
# Before the names of what a chain gives for its draws, and of the numbers that go with them.
_GIVEN, _STATS = "given_", "stat_"
# Before the places of the numbers of a guide, and of auxiliary rejection.
_GUIDE, _AUXILIARY = "guide_", "auxiliary_"


class Contents(NamedTuple):
    """What makes draws: in this order the arguments of `Draws`."""

    space: Space
    key: Array
    proposal_numbers: UInt[np.ndarray, " s"]
    log_weights: Float[np.ndarray, " s"]
    info: DrawsInfo
    given: Mapping[str, np.ndarray] = MappingProxyType({})
    sample_stats: Mapping[str, np.ndarray] = MappingProxyType({})


def write(path: Path, contents: Contents, more: Mapping[str, str] = MappingProxyType({})) -> str:
    """Write draws to `path` and return the digest of the file; see `Draws.save`.

    more: further attributes of the file, by name.
    """
    import xarray as xr

    space, posterior = contents.space, contents.space.posterior
    variables = {
        "proposal_number": (("sample",), contents.proposal_numbers),
        "log_weight": (("sample",), contents.log_weights),
        "x": (tuple(f"x_dim_{i}" for i in range(posterior.x.ndim)), posterior.x),
        "y": (("y_dim_0", "output"), posterior.targets),
        "elimination_order": (("point",), space.order),
        **_variables(_GUIDE, _numbers(_bare(space.guide))),
        **_variables(_AUXILIARY, _numbers(space.auxiliary)),
        **_named(_GIVEN, contents.given),
        **_named(_STATS, contents.sample_stats),
        "key_data": (("key_word",), np.asarray(jax.random.key_data(contents.key)).ravel()),
    }
    attributes = {
        "format": FORMAT,
        "key_implementation": str(jax.random.key_impl(contents.key)),
        "random_stream": _random_stream(),
        **{name: json.dumps(record) for name, record in _records(posterior).items()},
        "num_outputs": posterior.num_outputs,
        _TOLD: json.dumps(_told(posterior)),
        "space": json.dumps(_space_record(space)),
        "info": json.dumps(dataclasses.asdict(contents.info)),
        **more,
    }
    dataset = xr.Dataset(variables, attrs=attributes)
    found = dataset_digest(dataset)
    write_netcdf(path, dataset.assign_attrs(digest=found))
    return found


def _named(
    prefix: str, arrays: Mapping[str, np.ndarray]
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Arrays [sample, …] as variables of the file."""
    return {
        f"{prefix}{name}": (
            ("sample", *(f"{prefix}{name}_dim_{i}" for i in range(1, array.ndim))),
            array,
        )
        for name, array in arrays.items()
    }


def _unnamed(prefix: str, dataset: "xr.Dataset") -> dict[str, np.ndarray]:
    names = [str(name) for name in dataset.data_vars if str(name).startswith(prefix)]
    return {name[len(prefix) :]: dataset[name].values for name in names}


def _random_stream() -> str:
    """The setting of JAX that decides what numbers a key stands for."""
    partitionable = jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]
    return f"jax_threefry_partitionable={partitionable}"


def holds_code(posterior: Posterior) -> bool:
    """Whether the network or the likelihood has code of the user's own, which no file holds."""
    return any(map(_is_code, _records(posterior).values()))


def _records(posterior: Posterior) -> dict[str, Any]:
    """Network and likelihood in plain data; of code of the user's own, why it is not written."""

    def record(written: Callable[[Any], object], described: object) -> object:
        try:
            return written(described)
        except ValueError as error:
            return {_NOT_WRITTEN: str(error)}

    network, likelihood = posterior.network, posterior.likelihood
    return {"network": record(to_spec, network), "likelihood": record(to_record, likelihood)}


def _is_code(record: Any) -> bool:
    return isinstance(record, dict) and _NOT_WRITTEN in record


def _space_record(space: Space) -> dict[str, object]:
    """What `make_space` was asked for."""
    return {
        "space": space.form,
        "collapse": space.collapse,
        "precision": space.precision,
        "conditioned": space.conditioned,
        "strict": space.strict,
        **({} if space.auxiliary is None else {"auxiliary": True}),
    }


@in_double_precision
def _told(posterior: Posterior) -> list[float]:
    """The log likelihood at outputs that are always the same, in nats."""
    shape = (_NUM_TOLD, posterior.num_points, posterior.num_outputs)
    outputs = jnp.asarray(np.random.default_rng(0).standard_normal(shape))
    targets = jnp.asarray(posterior.targets)
    return [float(posterior.likelihood.log_prob(one, targets)) for one in outputs]


def _bare(guide: Any) -> Any:
    """A guide without its likelihood."""
    return dataclasses.replace(guide, likelihood=None) if hasattr(guide, "likelihood") else guide


def _numbers(made: Any) -> list[np.ndarray]:
    """The numbers of a guide, or of auxiliary rejection, which are part of what a draw is."""
    return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(made)]


def _variables(
    prefix: str, arrays: Sequence[np.ndarray]
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    return {
        f"{prefix}{i}": (tuple(f"{prefix}{i}_dim_{j}" for j in range(array.ndim)), array)
        for i, array in enumerate(arrays)
    }


def _saved(prefix: str, dataset: "xr.Dataset") -> list[np.ndarray]:
    names = [str(name) for name in dataset.variables if str(name).startswith(prefix)]
    return [dataset[f"{prefix}{i}"].values for i in range(len(names))]


def _space(path: Path, posterior: Posterior, dataset: "xr.Dataset") -> Space:
    """The space of a file: made anew, with the file's own order and guide put in."""
    made = make_space(posterior, **json.loads(dataset.attrs["space"]))
    saved = _saved(_GUIDE, dataset)
    leaves, structure = jax.tree.flatten(_bare(made.guide))
    now = _told(posterior)
    # Of a run that has no draws yet, the run itself tells what has changed.
    told = json.loads(dataset.attrs[_TOLD]) if dataset.sizes["sample"] > 0 else now
    same = np.allclose(told, now, rtol=_SAME, atol=_SAME, equal_nan=True)
    if not same or len(saved) != len(leaves):
        raise ValueError(f"{path} holds draws of another posterior: the likelihood differs")
    guide: Any = jax.tree.unflatten(structure, saved)
    if hasattr(guide, "likelihood"):
        guide = dataclasses.replace(guide, likelihood=posterior.likelihood)
    found = dataclasses.replace(made, order=dataset["elimination_order"].values, guide=guide)
    if made.auxiliary is None:
        return found
    leaves, structure = jax.tree.flatten(made.auxiliary)
    saved = _saved(_AUXILIARY, dataset)
    if len(saved) != len(leaves):
        raise ValueError(
            f"{path} holds draws by auxiliary rejection with other bounds than this version of "
            "bnnpost, or this machine, finds for them: read it where it was made, or draw again"
        )
    helped = jax.tree.unflatten(structure, saved)
    return dataclasses.replace(found, auxiliary=helped, _log_bound=helped.log_constant)


def draws_file(path: Path) -> Path:
    """The file of draws at a path: of a run's directory the one in it, else the path itself.

    Raises ValueError for a directory in which there is none, as one of a sweep, which has several.
    """
    if not path.is_dir():
        return path
    if (path / DRAWS).exists():
        return path / DRAWS
    if (path / RECORD).exists():
        raise ValueError(
            f"{path} holds no {DRAWS} yet: the same call, or bnnpost sample command, goes on to it"
        )
    of_widths = sorted([*path.glob("draws_*.nc"), *path.glob("runs/*/draws_*.nc")])
    if of_widths or (path / CONTENTS).exists():
        way = f"name the file of one, such as {of_widths[-1]}" if of_widths else "it keeps none"
        raise ValueError(
            f"{path} is the directory of a sweep, which has draws at each width: {way}; "
            "bnnpost.sweeps.load_results reads its results"
        )
    raise ValueError(
        f"{path} holds no {DRAWS}: expected the directory of a run of bnnpost sample, or a file"
    )


def read(path: Path, posterior: Posterior | None, data: "xr.Dataset | None" = None) -> Contents:
    """Draws from a file that `write` wrote, or a run's directory with one; see `bnnpost.load`.

    data: what is in the file, where it has been read.
    """
    path = draws_file(path)
    dataset = _read(path) if data is None else _checked(path, data)
    if dataset.attrs["random_stream"] != _random_stream():
        raise ValueError(
            f"{path} holds draws that were made with {dataset.attrs['random_stream']}; now it is "
            f"{_random_stream()}, with which the same proposals are other networks"
        )
    if posterior is None:
        posterior = _posterior(path, dataset)
    else:
        _check_same(path, posterior, dataset)
    words = jnp.asarray(dataset["key_data"].values, jnp.uint32)
    return Contents(
        _space(path, posterior, dataset),
        jax.random.wrap_key_data(words, impl=dataset.attrs["key_implementation"]),
        dataset["proposal_number"].values,
        dataset["log_weight"].values,
        DrawsInfo.from_dict(json.loads(dataset.attrs["info"])),
        _unnamed(_GIVEN, dataset),
        _unnamed(_STATS, dataset),
    )


def digest_of(path: Path) -> str:
    """The digest that `write` returned. Raises ValueError for a damaged file."""
    return str(_read(path).attrs["digest"])


def num_draws(path: Path) -> int:
    """How many draws a file holds. Raises FileNotFoundError, or ValueError for a damaged file."""
    return int(_read(path).sizes["sample"])


def _read(path: Path) -> "xr.Dataset":
    if not path.exists():
        raise FileNotFoundError(f"no file {path}")
    return _checked(path, read_dataset(path))


def _checked(path: Path, dataset: "xr.Dataset") -> "xr.Dataset":
    """The same, if it is of draws. Raises ValueError for anything else."""
    check_format(path, dataset.attrs, FORMAT, "Draws.save, and runs, write such files")
    return dataset


def _posterior(path: Path, dataset: "xr.Dataset") -> Posterior:
    network, likelihood = (json.loads(dataset.attrs[name]) for name in ("network", "likelihood"))
    for record in filter(_is_code, (network, likelihood)):
        raise ValueError(f"{path}: {record[_NOT_WRITTEN]}; pass load(…, posterior=…)")
    return Posterior(
        from_spec(network, num_outputs=int(dataset.attrs["num_outputs"])),
        from_record(likelihood),
        dataset["x"].values,
        dataset["y"].values,
    )


def _check_same(path: Path, posterior: Posterior, dataset: "xr.Dataset") -> None:
    """Raise ValueError if the posterior given is not the file's, as far as the file can tell."""
    records, data = _records(posterior), {"x": posterior.x, "y": posterior.targets}
    other = [name for name, now in records.items() if json.loads(dataset.attrs[name]) != now]
    other += [name for name, now in data.items() if not np.array_equal(now, dataset[name].values)]
    if other:
        raise ValueError(f"{path} holds draws of another posterior: {', '.join(other)} differ")
