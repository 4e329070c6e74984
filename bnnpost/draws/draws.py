"""Draws of functions: proposal numbers from which everything else is made again on demand."""

import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt

from bnnpost.arguments import place, positive_integer
from bnnpost.draws import arviz_view, draws_files, tasks
from bnnpost.draws.info import DrawsInfo
from bnnpost.draws.posterior_means import PosteriorMean, posterior_mean
from bnnpost.networks.layers import Parameters
from bnnpost.numerics.precision import in_double_precision, unshared
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.spaces import engine
from bnnpost.spaces.completions import AS_FUNCTION, COMPLETIONS, Completion, jointly
from bnnpost.spaces.sources import NOISE_STD, Origin
from bnnpost.spaces.space import Space
from bnnpost.storage import as_path, require_free

if TYPE_CHECKING:
    import xarray as xr

_PREDICTIVE_KEYS_AT_ONCE = 4096
# Folded into the key of a capped run where its view must be resampled.
_RESAMPLE = 0x72657361


class Mixture(NamedTuple):
    """Function values at test inputs as a mixture of Gaussians, one component a draw.

    means [sample, point, output]; variances [sample, point], the same for every output, or
    [sample, point, output] where outputs have noise of their own; log_weights [sample], zeros
    where draws are exact.
    """

    means: Float[np.ndarray, "s m k"]
    variances: Float[np.ndarray, "s m *k"]
    log_weights: Float[np.ndarray, " s"]


class Draws:
    """Draws from a posterior (or prior), each one a network; in the order of their proposals.

    key, proposal_numbers [sample]: from which parameters and predictions are made again whenever
    they are asked for. log_weights [sample]: importance weights, zeros where the draws are exact.
    info: how they were made. Of a chain, by name: given, the arrays [sample, …] that its draws have
    besides; sample_stats, numbers [sample] that go with them, by ArviZ's names.
    """

    def __init__(
        self,
        space: Space,
        key: Array,
        proposal_numbers: UInt[np.ndarray, " s"],
        log_weights: Float[np.ndarray, " s"],
        info: DrawsInfo,
        given: Mapping[str, np.ndarray] | None = None,
        sample_stats: Mapping[str, np.ndarray] | None = None,
    ):
        self.space, self.key, self.info = space, key, info
        self.proposal_numbers = np.asarray(proposal_numbers, np.uint64)
        self.log_weights = np.asarray(log_weights, np.float64)
        self.given, self.sample_stats = dict(given or {}), dict(sample_stats or {})

    def __len__(self) -> int:
        return len(self.proposal_numbers)

    def __repr__(self) -> str:
        info = self.info
        if info.chains is not None:
            what = f"{info.num_samples} resampled" if info.num_chains is None else info.num_samples
            return f"Draws({what} of {info.chains.summary()})"
        if info.coupled is not None:
            return f"Draws({info.coupled.summary()})"
        capped = info.kind == "capped"
        size = f", effective size {info.effective_sample_size:.4g}" if capped else ""
        unseen = f"; {info.unseen()}" if capped else ""
        evidence = f"log evidence {info.log_evidence:.4g} ± {info.log_evidence_se:.1g}"
        made = f"{info.num_samples} {info.kind} of {info.num_proposals} proposals"
        return f"Draws({made}{size}, {evidence}{unseen})"

    @property
    def posterior(self) -> Posterior:
        """What was sampled."""
        return unshared(self.space.posterior)

    def predict(
        self, x_test: object, completion: str = "joint"
    ) -> Float[np.ndarray, "sample point output"]:
        """Latent function values f at inputs x_test [point, feature], without noise.

        completion "joint" draws each network's values at this one list of inputs together (cost
        linear in width, and cubic in the number of inputs): right in law, the same for the same
        list, and equal to the drawn values at training inputs. "function" evaluates one fixed
        network a draw, at a cost quadratic in width: quicker from some hundred inputs on. Raises
        ValueError for inputs that do not match the training inputs.
        """
        points = self.posterior.checked_test_points(x_test)
        if completion not in COMPLETIONS:
            known = " or ".join(COMPLETIONS)
            raise ValueError(f"expected completion to be {known}, got {completion!r}")
        way = AS_FUNCTION
        if completion == "joint":
            way = jointly(self.posterior.network, self.posterior.x, points)
        return self._joined(self._evaluate(tasks.outputs, points, way), len(points))

    def training_outputs(self) -> Float[np.ndarray, "sample n output"]:
        """Latent function values at the training inputs."""
        return self._joined(self._evaluate(tasks.training_outputs), self.posterior.num_points)

    def _joined(self, blocks: Iterable[object], num_points: int) -> np.ndarray:
        return _filled((len(self), num_points, self.posterior.num_outputs), blocks)

    def _evaluate(
        self, task: engine.Task, points: np.ndarray | None = None, way: Completion = AS_FUNCTION
    ) -> Iterable[object]:
        extra, num_test = ((), 0) if points is None else ((points, way), len(points))
        numbers, given = self.proposal_numbers, self.given
        return engine.evaluate(task, self.space, self.key, numbers, extra, num_test, given=given)

    def mixture(self, x_test: object) -> Mixture:
        """The exact law of f at x_test given each draw's hidden layers: a Gaussian a draw.

        Given its outputs at the training inputs, besides, where the likelihood is not
        Gaussian. Raises ValueError where the readout was not collapsed.
        """
        points = self._collapsed("mixture()", x_test)
        way = jointly(self.posterior.network, self.posterior.x, points)
        blocks: list[Any] = list(self._evaluate(tasks.mixture, points, way))
        means = self._joined((mean for mean, _ in blocks), len(points))
        variances = np.concatenate([np.zeros((0, 1, len(points))), *(var for _, var in blocks)])
        shared = variances.shape[1] == 1
        variances = variances[:, 0] if shared else np.moveaxis(variances, 1, 2)
        return Mixture(means, variances, self.log_weights)

    def redraw_readouts(
        self, x_test: object, num_readouts: int
    ) -> Float[np.ndarray, "sample readout point output"]:
        """Latent values f at x_test of `num_readouts` readouts drawn anew for each draw.

        From the law that `mixture` gives, its points and all, so that each is as much a draw of f
        from the posterior as `predict`'s: cheap ones, since the hidden layers are found once. Those
        of one draw share its hidden layers and are not independent; `expectation` knows this.
        Weigh them as their draw. Readout i is the same however many there are. Raises ValueError
        where the readout was not collapsed, or for more values than fit in memory.
        """
        points = self._collapsed("redraw_readouts()", x_test)
        number = positive_integer("num_readouts", num_readouts)
        shape = len(self), number, len(points), self.posterior.num_outputs
        require_free(8 * math.prod(shape), f"f of shape {shape}", "ask for fewer readouts")
        way = jointly(self.posterior.network, self.posterior.x, points)
        return _filled(shape, self._evaluate(tasks.Redrawn(number), points, way))

    def _collapsed(self, name: str, x_test: object) -> np.ndarray:
        """Checked test inputs, for what needs a collapsed readout."""
        if not self.space.collapse:
            raise ValueError(
                f"{name} needs a collapsed readout (a network that ends in a Dense layer, "
                "collapse=True, and Gaussian noise or capped draws); use predict() instead"
            )
        return self.posterior.checked_test_points(x_test)

    def parameters(self, i: int | None = None) -> Parameters:
        """Weights and biases of draw i, standard normal under the prior, as numpy arrays.

        `network.apply(parameters, x)` gives that network's outputs. Without i those of all draws,
        stacked: [sample, …] of each array. Raises TypeError or IndexError for an i that is not the
        place of one draw.
        """
        if i is not None:
            return self._parameters_of(place("i", i, len(self)))
        blocks = list(self.parameter_blocks())
        return jax.tree.map(lambda *arrays: np.concatenate(arrays), *blocks)  # type: ignore[no-any-return]

    def parameter_blocks(self) -> Iterable[Parameters]:
        """The parameters of all draws, stacked, as many at a time as take little memory."""
        return self._evaluate(tasks.drawn_parameters)  # type: ignore[return-value]

    @in_double_precision
    def _parameters_of(self, i: int) -> Parameters:
        key = engine.proposal_key(self.key, jnp.uint64(self.proposal_numbers[i]))
        given = {name: jnp.asarray(array[i]) for name, array in self.given.items()}
        drawn = tasks.drawn_parameters(self.space, Origin(key, given))
        return jax.tree.map(np.asarray, drawn)

    def function(self, i: int) -> Callable[[object], Float[np.ndarray, "point output"]]:
        """Draw i as one fixed function of inputs [point, feature].

        Raises TypeError or IndexError for an i that is not the place of one draw.
        """
        single = self._of(np.array([place("i", i, len(self))]), np.zeros(1), self.info)
        return lambda x: single.predict(x, completion="function")[0]

    @in_double_precision
    def predictive(
        self, key: Array, x_test: object, *, kind: str = "observations"
    ) -> Float[np.ndarray, "sample point output"]:
        """Observations at x_test, or class probabilities: what each draw says of the targets.

        kind "observations" draws targets given each draw's latent values, with the
        likelihood's noise (of unknown size: each draw's own). "probabilities" gives p(1) of each
        output (Bernoulli) or p(c) of each class (Categorical); weigh draws by `log_weights` before
        averaging. Raises ValueError for another kind, TypeError for a likelihood without classes.
        """
        require_key(key)
        if kind not in ("observations", "probabilities"):
            raise ValueError(f"expected kind to be observations or probabilities, got {kind!r}")
        if kind == "probabilities":
            # Of no draws first: a likelihood without classes says so before anything is drawn.
            likelihood, empty = self.posterior.likelihood, (0, 1, self.posterior.num_outputs)
            likelihood.probabilities(jnp.zeros(empty))
            return np.asarray(likelihood.probabilities(jnp.asarray(self.predict(x_test))))
        outputs = self.predict(x_test)
        if self.posterior.likelihood.shares_noise:
            # Of size noise_std(), which each draw has its own of.
            noise = np.asarray(jax.random.normal(key, outputs.shape, jnp.float64))
            return outputs + self.noise_std()[:, None, None] * noise
        keys, size = jax.random.split(key, len(outputs)), _PREDICTIVE_KEYS_AT_ONCE
        sample = jax.vmap(self.posterior.likelihood.sample)
        places = [slice(i, i + size) for i in range(0, len(outputs), size)]
        parts = [np.asarray(sample(keys[at], jnp.asarray(outputs[at]))) for at in places]
        return np.concatenate(parts) if parts else outputs

    def expectation(
        self,
        function: Callable[[Array], Array],
        x_test: object | None = None,
        *,
        num_readouts: int | None = None,
    ) -> PosteriorMean:
        """The posterior mean of h(f), and its standard error; it may be of an array.

        function: h, of one draw's latent values f [point, output] at x_test (default: the training
        inputs), by JAX. num_readouts: h is averaged over so many readouts of each draw, by
        `redraw_readouts`, which costs little and makes errors smaller. Errors are those of
        independent draws; of capped draws, to first order, those of their weights; of chains, those
        of each value's effective sample size. Coupled draws have a bias besides, at most
        `info.coupled.tv_upper` times the range of h; `coupled.expectation` has none. Raises
        ValueError for one draw, or resampled ones.
        """
        if num_readouts is None:
            values = self.training_outputs() if x_test is None else self.predict(x_test)
            found = tasks.of_each(function, values)
        else:
            points = self.posterior.x if x_test is None else x_test
            values = self.redraw_readouts(points, num_readouts)
            each = tasks.of_each(function, values.reshape(-1, *values.shape[2:]))
            found = each.reshape(*values.shape[:2], *each.shape[1:]).mean(axis=1)
        return posterior_mean(found, self.log_weights, self.info)

    def noise_std(self) -> Float[np.ndarray, " sample"]:
        """The one noise standard deviation of each draw; raises ValueError where it has none."""
        if NOISE_STD in self.given:
            return self.given[NOISE_STD].copy()
        guide = self.space.guide
        if not (guide is not None and guide.exact and guide.one_noise):
            raise ValueError(
                f"{type(self.posterior.likelihood).__name__} has no noise_std that draws share: "
                "only Gaussian noise has, and only in posterior draws with a collapsed readout"
            )
        found: list[Any] = list(self._evaluate(tasks.noise_std))
        return np.concatenate([np.zeros(0), *found])

    def diagnostics(self, x_test: object | None = None) -> "xr.Dataset":
        """R-hat and effective sample sizes of function values, by ArviZ.

        Variables r_hat, ess_bulk, ess_tail [point, output], at inputs x_test (default: the
        training inputs). Not of weights: units may be exchanged and signs flipped, so chains that
        agree on every function may sit at different ones. Independent draws are looked at as four
        pseudo-chains, as in `to_arviz`; importance weights are ignored.
        """
        values = self.training_outputs() if x_test is None else self.predict(x_test)
        return arviz_view.diagnostics(values, self.info.num_chains)

    def to_arviz(self, x_test: object | None = None) -> "xr.DataTree":
        """ArviZ's view: chains of function values (an InferenceData on ArviZ 0.x).

        Groups posterior (or prior) with f_train and, where x_test is given, f, each [chain,
        draw, point, output]; sample_stats; observed_data; constant_data. Of a chain sampler
        its chains. Independent draws have none: four quarters are there in their place (of fewer
        than four draws one), and an R-hat near 1 is no proof of independence. What is over a
        multiple of four is left out, with a DrawsLeftOut warning and the attribute num_left_out.
        ArviZ ignores importance weights: draws of a capped run are resampled; the attribute
        `weights` says so.
        """
        if self.info.kind == "capped":
            return self.resample(jax.random.fold_in(self.key, _RESAMPLE)).to_arviz(x_test)
        points = None if x_test is None else self.posterior.checked_test_points(x_test)
        f = None if points is None else self.predict(points)
        return arviz_view.arviz_of(self.contents(), self.training_outputs(), points, f)

    def resample(self, key: Array, num_samples: int | None = None) -> "Draws":
        """Draws made equally weighted: each is repeated about as often as its weight says.

        Systematic resampling to `num_samples` (default: as many as there are). Repeated draws are
        the same network, so these are not independent; `info.kind` is "resampled", and the
        effective sample size stays that of the weights. Raises ValueError if there are no draws.
        """
        require_key(key)
        size = positive_integer("num_samples", len(self) if num_samples is None else num_samples)
        if not len(self):
            raise ValueError("there are no draws to resample")
        weights = np.exp(self.log_weights - np.max(self.log_weights))
        edges = np.cumsum(weights) / weights.sum()
        places = (np.arange(size) + float(jax.random.uniform(key))) / size
        chosen = np.minimum(np.searchsorted(edges, places, side="right"), len(self) - 1)
        info = dataclasses.replace(self.info, kind="resampled", num_samples=size)
        return self._of(chosen, np.zeros(size), info)

    def some(self, chosen: np.ndarray) -> "Draws":
        """The draws at these places, equally weighted."""
        return self._of(chosen, np.zeros(len(chosen)), self.info)

    def _of(self, chosen: np.ndarray, log_weights: np.ndarray, info: DrawsInfo) -> "Draws":
        """These draws, with other weights and another record."""
        given, stats = (
            jax.tree.map(lambda a: a[chosen], d) for d in (self.given, self.sample_stats)
        )
        numbers = self.proposal_numbers[chosen]
        return Draws(self.space, self.key, numbers, log_weights, info, given, stats)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything needed to make these draws again to one netCDF file.

        Whole or not at all. A network or likelihood with code of the user's own is not written:
        `bnnpost.load` then asks for the posterior. Raises FileNotFoundError without the folder.
        """
        draws_files.write(as_path(path), self.contents())

    def contents(self) -> draws_files.Contents:
        """What a file of these draws holds."""
        made = self.space, self.key, self.proposal_numbers, self.log_weights, self.info
        return draws_files.Contents(*made, self.given, self.sample_stats)


def _filled(shape: tuple[int, ...], blocks: Iterable[object]) -> np.ndarray:
    """Blocks one after another in one array, filled as they come."""
    joined, start = np.empty(shape), 0
    for block in blocks:
        values = np.asarray(block)
        joined[start : start + len(values)] = values
        start += len(values)
    return joined


def load(path: str | os.PathLike[str], *, posterior: Posterior | None = None) -> Draws:
    """Draws from a file that `Draws.save` wrote, or from a run's directory; nothing is executed.

    path: of the file, or the directory of `bnnpost sample` or of a sampler's `directory=…`, whose
    draws.nc is read. posterior: needed where the network or likelihood holds code of the user's
    own; its data must be the file's, and that the code is what made the draws is taken on trust.
    Raises FileNotFoundError, or ValueError for a file that is not one of these, is damaged, or
    belongs to other data, and for a directory without draws.nc, as that of a sweep.
    """
    return Draws(*draws_files.read(as_path(path), posterior))
