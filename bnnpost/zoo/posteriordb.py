"""A reference in the folders of posteriordb (stan-dev/posteriordb): posterior, model, data, draws.

Reference draws are function values, which are generated quantities of the Stan program, and on
demand its parameters, by Stan's names: f_test[1,1] is the first output at the first test input.
posteriordb keeps draws in chains: these are stretches of one list of independent draws here.
"""

import datetime
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bnnpost.verification.sets import TEST, TRAIN
from bnnpost.zoo.remade_draws import RemadeDraws
from bnnpost.zoo.stan_program import stan_data, stan_program
from bnnpost.zoo.zoo import plain_record, posterior

_NUM_CHAINS = 10
_EXPECTED = 10_000  # draws, by posteriordb's definition of a reference
# The first release with the arrays that the program declares.
_STAN = ">=2.26.0"
_NAMES = {TEST: "f_test", TRAIN: "f_train"}
_REFERENCES = "reference_posteriors/draws"
_DRAWS = {
    "exact": "Draws are exact and independent.",
    "capped": "Draws are independent, by weighted rejection: of the weighted ones each was kept "
    "with probability weight / largest weight, none twice.",
}
_PARAMETERS = (
    " Weights and biases are those before w_std/sqrt(fan_in) and b_std multiply them, made again "
    "from each draw's proposal number and checked against f_train; f_test is their network's."
)


def posteriordb_files(draws: RemadeDraws) -> dict[str, Callable[[Path], object]]:
    """What writes each file, by its path; that which names the others comes last."""
    entry, name = draws.entry, draws.entry.name
    target, x_test = posterior(entry)
    program = stan_program(target, f"{name}: {entry.summary}")
    data = json.dumps(stan_data(target, x_test))
    json_name = f"{name}.json"
    return {
        f"models/stan/{name}.stan": lambda path: path.write_text(program, encoding="utf-8"),
        f"models/info/{name}.info.json": lambda path: _write(path, _model(draws)),
        f"data/data/{name}.json.zip": lambda path: _write_zip(path, json_name, [data]),
        f"data/info/{name}.info.json": lambda path: _write(path, _data(draws)),
        f"{_REFERENCES}/draws/{name}.json.zip": lambda path: _write_zip(
            path, json_name, _chains(draws)
        ),
        f"{_REFERENCES}/info/{name}.info.json": lambda path: _write(path, _reference(draws)),
        f"posteriors/{name}.json": lambda path: _write(path, _posterior(draws)),
    }


def _write(path: Path, values: Mapping[str, object]) -> None:
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")


def _write_zip(path: Path, name: str, parts: Iterable[str]) -> None:
    """An archive of one text, whose bytes do not depend on the time."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    with (
        zipfile.ZipFile(path, "w") as archive,
        archive.open(info, "w", force_zip64=True) as file,
        io.TextIOWrapper(file, encoding="utf-8") as text,
    ):
        text.writelines(parts)


def _chains(draws: RemadeDraws) -> Iterator[str]:
    """The JSON text of all draws: in each chain a list for each number, by its name."""
    length = len(draws) // _NUM_CHAINS
    for chain in range(_NUM_CHAINS):
        yield "[{" if chain == 0 else ", {"
        part = slice(chain * length, (chain + 1) * length)
        for number, (name, column) in enumerate(_columns(draws)):
            yield f"{', ' if number else ''}{json.dumps(name)}: {json.dumps(column[part].tolist())}"
        yield "}"
    yield "]\n"


def _columns(draws: RemadeDraws) -> Iterator[tuple[str, np.ndarray]]:
    """Each number of a draw: its name in Stan, and its values [draw]."""
    for name, array in draws.values.items():
        for place in np.ndindex(array.shape[1:]):
            index = ",".join(str(i + 1) for i in place)
            yield _stan_name(name) + (f"[{index}]" if place else ""), array[(slice(None), *place)]


def _stan_name(name: str) -> str:
    return _NAMES.get(name, name.replace(".", "_"))


def _posterior(draws: RemadeDraws) -> dict[str, object]:
    name = draws.entry.name
    return {
        "name": name,
        "keywords": ["bayesian neural network"],
        "model_name": name,
        "data_name": name,
        "reference_posterior_name": name,
        "dimensions": {_stan_name(n): v[0].size for n, v in draws.values.items()},
        **_added(draws),
    }


def _model(draws: RemadeDraws) -> dict[str, object]:
    entry = draws.entry
    return {
        "name": entry.name,
        "title": f"A Bayesian neural network: {entry.summary}",
        "description": f"{entry.network.words} (hidden layers × units), {entry.likelihood['type']} "
        "likelihood; parameters before their scales multiply them",
        "keywords": ["bayesian neural network"],
        "prior": {"keywords": []},
        "model_implementations": {
            "stan": {"model_code": f"models/stan/{entry.name}.stan", "stan_version": _STAN}
        },
        **_added(draws),
    }


def _data(draws: RemadeDraws) -> dict[str, object]:
    entry = draws.entry
    return {
        "name": entry.name,
        "title": f"{entry.num_train} points of {entry.data}, and {entry.num_test} test inputs",
        "description": "features and real targets are standardised over the whole data set",
        "keywords": [],
        "data_file": f"data/data/{entry.name}.json",
        **_added(draws),
    }


def _reference(draws: RemadeDraws) -> dict[str, object]:
    record: Mapping[str, Any] = plain_record(draws.data)
    checks, length = record["checks"], len(draws) // _NUM_CHAINS
    names = [name for name, _ in _columns(draws)]
    settings = ("seed", "bound", "num_samples", "num_proposals", "log_evidence", "log_evidence_se")
    passed = {f"{check['name']}".replace(" ", "_"): check["passed"] for check in checks}
    return {
        "name": draws.entry.name,
        "inference": {
            "method": "rejection_sampling",
            "method_arguments": {key: record[key] for key in settings if key in record},
        },
        "diagnostics": {
            "diagnostic_information": {"names": names},
            "ndraws": length * _NUM_CHAINS,
            "nchains": _NUM_CHAINS,
            "checks": checks,
        },
        "checks_made": {"ndraws_is_10k": length * _NUM_CHAINS == _EXPECTED, **passed},
        "comments": _comments(draws, str(record["kind"])),
        **_added(draws),
        "versions": {**record["versions"], "processor": record["processor"]},
    }


def _comments(draws: RemadeDraws, kind: str) -> str:
    """What the draws are, and what was checked of them."""
    return (
        f"{_DRAWS[kind]} The {_NUM_CHAINS} chains are stretches of one list, in the order of the "
        "draws. Checks, of which diagnostics has what was found and the limits: function values "
        "are finite and distinct; weights have no heavy tail; values less their Gaussians' means, "
        "over their stds, are standard normal (mixture); one half of the draws against the other "
        "(halves); draws of the same posterior with every weight drawn (weight_space); evidence "
        "and mean from weighted prior draws; each where it applies."
        + (_PARAMETERS if draws.with_parameters else "")
    )


def _added(draws: RemadeDraws) -> dict[str, str]:
    version = plain_record(draws.data)["versions"]["bnnpost"]  # type: ignore[index]
    return {
        "added_by": f"bnnpost {version}",
        "added_date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
