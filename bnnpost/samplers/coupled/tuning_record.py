"""What pairs of chains were tuned to, in plain numbers, for the record of a run."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bnnpost.samplers.chains.elliptical_slice import EllipticalSlice
from bnnpost.samplers.chains.kernel import Kernel
from bnnpost.samplers.chains.pcn import CrankNicolson
from bnnpost.samplers.chains.rotation import Rotation
from bnnpost.samplers.coupled.blend import Blend
from bnnpost.samplers.coupled.plain_kernels import PairedSlice, PairedWalk
from bnnpost.samplers.coupled.tuning import Tuned

# What moves pairs is made of these.
_KINDS = (Blend, Rotation, PairedWalk, CrankNicolson, PairedSlice, EllipticalSlice)
_KERNELS = {kind.__name__: kind for kind in _KINDS}
_KIND = "kind"


def tuning_record(found: Tuned) -> dict[str, object]:
    """As JSON can hold it."""
    return {
        "kernel": plain_kernel(found.kernel),
        "lag": int(found.lag),
        "meetings": [int(one) for one in found.meetings],
        "evaluations": int(found.evaluations),
    }


def recorded_tuning(record: Mapping[str, Any]) -> Tuned:
    """The inverse. Raises ValueError for what is no such record."""
    try:
        return Tuned(
            _kernel(record["kernel"]),
            int(record["lag"]),
            np.array(record["meetings"], np.int64),
            int(record["evaluations"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"expected what pairs of chains were tuned to, got {error}") from None


def is_tuning_record(found: object) -> bool:
    """Whether it can be read."""
    try:
        recorded_tuning(found)  # type: ignore[arg-type]
    except ValueError:
        return False
    return True


def plain_kernel(kernel: Kernel) -> dict[str, object]:
    """A kernel's fields by name, kernels among them too; NaN, which JSON lacks, as None."""
    fields: dict[str, object] = {_KIND: type(kernel).__name__}
    for field in dataclasses.fields(kernel):
        value = getattr(kernel, field.name)
        if isinstance(value, Kernel):
            fields[field.name] = plain_kernel(value)
        else:
            number = np.asarray(value).item()
            is_nan = isinstance(number, float) and math.isnan(number)
            fields[field.name] = None if is_nan else number
    return fields


def _kernel(record: Mapping[str, Any]) -> Any:
    """The inverse."""
    values = {
        name: _kernel(value) if isinstance(value, Mapping) else value
        for name, value in record.items()
        if name != _KIND
    }
    return _KERNELS[record[_KIND]](**values)
