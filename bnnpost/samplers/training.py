"""Gradient descent at large learning rates: lazy, catapult, divergent.

Lewkowycz, Bahri, Dyer, Sohl-Dickstein and Gur-Ari (2020, arXiv 2003.02218). Full-batch gradient
descent on ½ Σ (f − y)² in the parameters before w_std/√fan_in and b_std multiply them, from a draw
of the prior, at a learning rate c/λ₀, with λ₀ the largest eigenvalue of the network's own tangent
kernel. Below c = 2 a wide network trains as its linearisation does. Between 2 and a number that
depends on the network (4 of two linear layers, about 12 of ReLU ones) the loss first grows until
the curvature has fallen, by an amount that does not vanish with width, and then converges. Above
that it diverges.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from bnnpost.arguments import positive_integer
from bnnpost.networks.build import at_width
from bnnpost.networks.layers import Layer, Parameters
from bnnpost.numerics.precision import unshared
from bnnpost.numerics.random import FEATURE_DTYPES, require_key, require_precision
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers.descent import trainable
from bnnpost.summaries import Described
from bnnpost.summaries.summary import Section, ShownColumn, ShownTable, Summary
from bnnpost.summaries.values import Number, measured

if TYPE_CHECKING:
    import xarray as xr

LAZY, CATAPULT, DIVERGED, UNDECIDED = "lazy", "catapult", "diverged", "undecided"
RATES = (0.5, 1.0, 1.5, 2.5, 3.0, 3.5, 5.0, 8.0, 16.0)
# A loss so many times its first value, beyond what a catapult reaches, has diverged.
_FAR = 1e3
# What counts as growing, beside rounding; and as converged, of the first loss.
_GROWN, _CONVERGED = 1 + 1e-6, 1.0
# Brackets of both critical rates, in 1/λ₀, and halvings.
_GROWTH, _DIVERGENCE, _HALVINGS = (0.25, 16.0), (1.0, 256.0), 14
# Of a normal law, two-sided 95 %; seeds are many.
_REACH = 1.96


class _Run(NamedTuple):
    """One descent: at each step before it is made, and whether it has diverged."""

    loss: Float[Array, " step"]
    norm: Float[Array, " step"]
    sharpness: Float[Array, " step"]
    diverged: Bool[Array, ""]


@dataclass(frozen=True)
class Phases(Described):
    """Descents from several prior draws at several learning rates, and what became of each.

    runs: along seed and rate (c, in units of 1/λ₀ of each draw) and step, `loss` (units of y²),
    `sharpness` (λ, the largest eigenvalue of the tangent kernel), `norm` (of all parameters), each
    before the step; after a divergence the last values stay. Along seed and rate, `phase`: lazy,
    catapult, diverged, or undecided where a loss that has grown is not below its first value at
    the end. Along seed, `first_sharpness` λ₀.
    """

    runs: "xr.Dataset"

    def shares(self) -> "xr.Dataset":
        """Of each phase the share of the draws at each rate."""
        import xarray as xr

        phase = self.runs["phase"]
        names = (LAZY, CATAPULT, DIVERGED, UNDECIDED)
        return xr.Dataset({name: (phase == name).mean("seed") for name in names})

    def describe(self) -> Summary:
        """Return the shares at each rate as data, to be printed, made a page or JSON."""
        shares = self.shares()
        rows = tuple(
            {
                "rate": measured(rate),
                **{
                    str(name): Number(float(share), digits=0, form="percent")
                    for name, share in shares.sel(rate=rate).data_vars.items()
                },
            }
            for rate in shares["rate"].values.tolist()
        )
        names = [LAZY, CATAPULT, DIVERGED]
        names += [UNDECIDED] if bool((shares[UNDECIDED] > 0).any()) else []
        columns = (
            ShownColumn("rate", "learning rate (1/λ₀)"),
            *(ShownColumn(name, name) for name in names),
        )
        count = self.runs.sizes["seed"]
        caption = f"Shares of the {count:,} prior draws at each rate"
        table = ShownTable("rates", caption, columns, rows, printed=len(rows))
        most = [rate for rate, share in zip(shares["rate"].values, shares[LAZY].values, strict=True)
                if share == 1]  # fmt: skip
        up_to = f"at rates up to {max(most):.3g}/λ₀" if most else "at none of the rates"
        return Summary(
            title="Gradient descent by its learning rate",
            kind="Phases of training",
            headline=f"All {count:,} descents are lazy {up_to}.",
            sections=(Section("Phases", "phases", (table,), brief=True),),
        )


def phases(
    key: Array,
    posterior: Posterior,
    *,
    rates: Sequence[float] = RATES,
    num_seeds: int = 8,
    num_steps: int = 200,
    precision: str = "double",
) -> Phases:
    """Descents from `num_seeds` prior draws at each learning rate c/λ₀, c of `rates`.

    The likelihood plays no part: the loss is ½ Σ (f − y)². Raises ValueError for rates that are
    not positive, a number of seeds or steps that is not, an unknown precision; TypeError for a
    legacy key or something that is no posterior.
    """
    import xarray as xr

    given = _Given.of(key, posterior, num_seeds, precision)
    multiples = np.asarray(list(rates), np.float64)
    if multiples.ndim != 1 or not len(multiples) or not np.all(multiples > 0):
        raise ValueError(f"expected learning rates c > 0, in units of 1/λ₀, got {list(rates)}")
    steps = positive_integer("num_steps", num_steps)
    with given.precise():
        first = np.asarray(given.sharpness(), np.float64)
        found = [given.runs(c / first, steps, True) for c in multiples]
    joined = [np.stack([np.asarray(getattr(run, n)) for run in found], 1) for n in _Run._fields]
    loss, norm, sharpness, diverged = joined
    along = ("seed", "rate", "step")
    data = xr.Dataset(
        {
            "loss": (along, loss),
            "sharpness": (along, sharpness),
            "norm": (along, norm),
            "phase": (along[:2], _phase(loss, diverged)),
            "first_sharpness": (("seed",), first),
        },
        coords={"rate": multiples},
    )
    return Phases(data)


def critical_rates(
    key: Array,
    posterior: Posterior,
    *,
    widths: Iterable[int],
    num_seeds: int = 16,
    num_steps: int = 400,
    precision: str = "double",
) -> "xr.Dataset":
    """Learning rates at which training changes its ways, by bisection for each prior draw.

    Along width and seed, in units of 1/λ₀ of each draw: `growth`, from which on the loss exceeds
    its first value at some step, and `divergence`, from which on training diverges; 2 and 4 for
    two linear layers as they get wide. Along width their means over seeds, `*_mean`, and the ends
    `*_low`, `*_high` of 95 % intervals of these. Bisection halves [1/4, 16] and [1, 256]: near its
    end divergence may come and go, and one crossing is found.

    Raises as `phases`; ValueError where a rate is outside its bracket.
    """
    import xarray as xr

    numbers = [positive_integer("width", width) for width in widths]
    if not numbers:
        raise ValueError("expected widths, got none")
    steps = positive_integer("num_steps", num_steps)
    rows: dict[str, list[np.ndarray]] = {"growth": [], "divergence": []}
    for width in numbers:
        network = at_width(posterior.network, width)
        wide = Posterior(network, posterior.likelihood, posterior.x, posterior.targets)
        given = _Given.of(key, wide, num_seeds, precision)
        with given.precise():
            rows["growth"].append(_bisected(given, steps, _grows, _GROWTH))
            rows["divergence"].append(_bisected(given, steps, _diverges, _DIVERGENCE))
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name, found in rows.items():
        values = np.stack(found)
        middle, error = values.mean(axis=1), np.full(len(values), np.nan)
        if num_seeds > 1:
            error = values.std(axis=1, ddof=1) / num_seeds**0.5
        data[name] = (("width", "seed"), values)
        data[f"{name}_mean"] = (("width",), middle)
        data[f"{name}_low"] = (("width",), middle - _REACH * error)
        data[f"{name}_high"] = (("width",), middle + _REACH * error)
    return xr.Dataset(data, coords={"width": numbers})


class _Given(NamedTuple):
    """What is trained, and from where."""

    network: Layer
    x: np.ndarray
    y: np.ndarray
    starts: Parameters
    moving: Any
    precision: str

    @classmethod
    def of(cls, key: Array, posterior: Posterior, num_seeds: int, precision: str) -> "_Given":
        posterior = unshared(require_posterior(posterior))
        require_precision(precision)
        count = positive_integer("num_seeds", num_seeds)
        shape = posterior.x.shape[1:]
        with jax.enable_x64(precision == "double"):
            keys = jax.random.split(require_key(key), count)
            starts = jax.vmap(lambda one: posterior.network.init(one, shape))(keys)
        dtype = FEATURE_DTYPES[precision]
        x, y = posterior.x.astype(dtype), posterior.targets.astype(dtype)
        return cls(posterior.network, x, y, starts, trainable(posterior.network, shape), precision)

    def precise(self) -> Any:
        """In which arrays are of this precision."""
        return jax.enable_x64(self.precision == "double")

    def sharpness(self) -> Float[Array, " seed"]:
        """λ₀ of each draw."""
        return _sharpnesses(self.network, self.x, self._moving(), self.starts)

    def runs(self, rates: np.ndarray, steps: int, with_sharpness: bool) -> _Run:
        """One descent a draw, each at its own rate."""
        own = jnp.asarray(rates, self.x.dtype)
        each = (self.network, self.x, self.y, self._moving(), self.starts, own)
        return _runs(*each, steps, with_sharpness)

    def _moving(self) -> Any:
        return tuple(jax.tree.leaves(self.moving))


@partial(jax.jit, static_argnames=("moving",))
def _sharpnesses(
    network: Layer, x: Array, moving: tuple[bool, ...], starts: Parameters
) -> Float[Array, " seed"]:
    return jax.lax.map(partial(_sharpness, network, x, moving), starts)


def _sharpness(network: Layer, x: Array, moving: tuple[bool, ...], at: Parameters) -> Array:
    """The largest eigenvalue of J Jᵀ, J the Jacobian of all outputs in what is trained."""
    jacobian = jax.tree.leaves(jax.jacrev(lambda p: network.apply(p, x).ravel())(at))
    rows = [
        leaf.reshape(leaf.shape[0], -1) for leaf, move in zip(jacobian, moving, strict=True) if move
    ]
    return jnp.linalg.eigvalsh(sum(row @ row.T for row in rows))[-1]


@partial(jax.jit, static_argnames=("moving", "steps", "with_sharpness"))
def _runs(
    network: Layer,
    x: Array,
    y: Array,
    moving: tuple[bool, ...],
    starts: Parameters,
    rates: Float[Array, " seed"],
    steps: int,
    with_sharpness: bool,
) -> _Run:
    def loss(parameters: Parameters) -> Array:
        return 0.5 * jnp.sum((network.apply(parameters, x) - y) ** 2)

    def one(given: tuple[Parameters, Array]) -> _Run:
        start, rate = given
        most = _FAR * sum(leaf.size for leaf in jax.tree.leaves(start)) * (1 + loss(start))

        def step(
            carry: tuple[Parameters, Array], _: None
        ) -> tuple[tuple[Parameters, Array], tuple[Array, Array, Array]]:
            at, stopped = carry
            value, gradient = jax.value_and_grad(loss)(at)
            leaves, tree = jax.tree.flatten(at)
            norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in leaves))
            sharpness = _sharpness(network, x, moving, at) if with_sharpness else norm
            moved = [
                leaf - rate * g if move else leaf
                for leaf, g, move in zip(leaves, jax.tree.leaves(gradient), moving, strict=True)
            ]
            after = jax.tree.unflatten(tree, moved)
            stopped = stopped | ~(loss(after) < most)
            after = jax.tree.map(lambda new, old: jnp.where(stopped, old, new), after, at)
            return (after, stopped), (value, norm, sharpness)

        never = jnp.zeros((), bool)
        (_, stopped), found = jax.lax.scan(step, (start, never), None, length=steps)
        return _Run(*found, stopped)

    return jax.lax.map(one, (starts, rates))  # type: ignore[no-any-return]


def _phase(loss: Float[np.ndarray, "seed rate step"], diverged: np.ndarray) -> np.ndarray:
    first, last = loss[..., 0], loss[..., -1]
    grown = np.max(loss, axis=-1) > _GROWN * first
    back = last < _CONVERGED * first
    names = np.where(grown, np.where(back, CATAPULT, UNDECIDED), LAZY)
    return np.where(diverged, DIVERGED, names)


def _grows(run: _Run) -> np.ndarray:
    loss = np.asarray(run.loss)
    return np.asarray(run.diverged) | (np.max(loss, axis=1) > _GROWN * loss[:, 0])


def _diverges(run: _Run) -> np.ndarray:
    return np.asarray(run.diverged)


def _bisected(
    given: _Given, steps: int, happens: Any, bracket: tuple[float, float]
) -> Float[np.ndarray, " seed"]:
    """For each draw the rate, in 1/λ₀, from which on something happens."""
    first = np.asarray(given.sharpness(), np.float64)
    low, high = (np.full(len(first), end) for end in bracket)
    if np.any(happens(given.runs(low / first, steps, False))) or not np.all(
        happens(given.runs(high / first, steps, False))
    ):
        raise ValueError(
            f"expected the rate between {bracket[0]:g} and {bracket[1]:g} over λ₀ for every draw: "
            "phases() shows what happens at rates of your own"
        )
    for _ in range(_HALVINGS):
        middle = np.sqrt(low * high)
        there = happens(given.runs(middle / first, steps, False))
        low, high = np.where(there, low, middle), np.where(there, middle, high)
    return np.sqrt(low * high)
