"""Where the random arrays of a draw come from: its key, or a chain that has moved them.

A draw of a sampler that proposes from the prior is its key. A chain's draw has arrays of its
own besides, by name: either standard normals ("layer0.normals") or values ("layer0.weights",
"noise_std"). What it has no array for is drawn from its key.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

NORMALS = "normals"
# The name of the one noise standard deviation, where a chain in weight space gives it.
NOISE_STD = "noise_std"


class Origin(NamedTuple):
    """A draw's key, and the arrays that a chain gives for it, by name."""

    key: Array
    given: Mapping[str, Array]


def origin(draw: Array | Origin) -> Origin:
    """A draw that is nothing but its key, or one of a chain, as an Origin."""
    return draw if isinstance(draw, Origin) else Origin(draw, {})


@dataclasses.dataclass
class Source:
    """The random arrays of one draw, by name.

    recorded: collects as standard normals what is drawn from the key, if given a dict to do so.
    """

    key: Array
    given: Mapping[str, Array]
    recorded: dict[str, Array] | None = None

    def in_normals(self, name: str) -> bool:
        """Whether what has this name is made from standard normals, given or recorded."""
        return self.recorded is not None or f"{name}.{NORMALS}" in self.given

    def normals(self, name: str, draw: Callable[[], Array]) -> Array:
        """Standard normals: given, or `draw()`."""
        found = self.given.get(f"{name}.{NORMALS}")
        if found is None:
            found = draw()
            if self.recorded is not None:
                self.recorded[f"{name}.{NORMALS}"] = found
        return found

    def values(
        self,
        name: str,
        key: Array,
        shape: tuple[int, ...],
        sample: Callable[[Array], Array],
        from_normals: Callable[[Float[Array, "*s"]], Array],
    ) -> Array:
        """Values of a law: given, or `from_normals` of given normals, or `sample(key)`."""
        if name in self.given:
            return self.given[name]
        if not self.in_normals(name):
            return sample(key)
        normals = self.normals(name, lambda: jax.random.normal(key, shape, jnp.float64))
        return from_normals(normals)
