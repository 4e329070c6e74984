"""What sampling will cost, before it runs: acceptance, proposals, time, and what to do.

Also whether the prior's scale fits the targets, asked of the infinite-width limit. With Gaussian
noise the limit's evidence is known in closed form, and a factor on both stds of the readout
multiplies the kernel by exactly its square. So does one eigendecomposition give the evidence for
every factor at once.
"""

import dataclasses
import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.draws.arviz_view import pareto_k
from bnnpost.kernels import self_kernel
from bnnpost.networks.limiting import require_one_process
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.numerics.weights import WeightSum
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers import pilot, plan
from bnnpost.samplers.cost import Cost, Expectation, finite
from bnnpost.samplers.methods import Rejection
from bnnpost.samplers.plan import EXCESS_MASS, LARGEST_PARETO_K, limit_log_evidence, strict_space
from bnnpost.samplers.progress import Progress
from bnnpost.spaces import engine
from bnnpost.spaces.making import make_space
from bnnpost.spaces.network_parts import split_readout
from bnnpost.spaces.space import SPACES, Space
from bnnpost.spelling import count, duration
from bnnpost.summaries.summary import Fact
from bnnpost.summaries.values import Number, expected_count, lasted, measured

# Nats of evidence that a better scale gains before the prior is said to be at odds with the
# targets: a hundredfold acceptance. Targets drawn from the prior itself gain as much with
# probability 0.003 at most (benchmarks/prior_scale.py; χ²₁ of twice the gain: 0.0024).
LARGEST_GAIN = math.log(100.0)
# Draws expected to need more proposals than this are refused unless they are forced.
MOST_PROPOSALS = 1e10
# Factors tried: steps of 2.3 %, finer than any advice on a prior need be.
_FACTORS = np.logspace(-3, 3, 601)


@dataclass(frozen=True)
class PriorScale:
    """How the targets sit with the prior predictive of the limit, and the scale that fits best.

    w_std, b_std: of the readout as it is (b_std None without a bias); noise_std: of the noise.
    factor: on both stds of the readout, K → factor²·K, where the limit's log evidence is
    largest, between 0.001 and 1000; gain: by how many nats it is then larger. noise_factor,
    noise_gain: the same for a factor of 1 or more on noise_std, the readout as it is (targets of
    low rank, such as classes, want no noise at all: that says nothing of the prior).
    norm_ratio: yᵀ(K+σ²I)⁻¹y over its mean under the prior, n·k: below 1 the targets are
    smaller than the prior expects, above 1 larger.
    """

    w_std: float
    b_std: float | None
    noise_std: float
    factor: float
    gain: float
    noise_factor: float
    noise_gain: float
    norm_ratio: float

    @property
    def at_odds(self) -> bool:
        """Whether another scale gains more than log 100 nats, be the prior too wide or too narrow.

        The gain and not the tail of χ²_nk for yᵀ(K+σ²I)⁻¹y is asked: that tail has a p-value of
        2·10⁻⁹ for ten digits whose readout std is as good as best (one-hot targets have low
        rank), and says nothing of cost. Acceptance under a strict bound, which a scale hardly
        moves, grows by e^gain.
        """
        return self.gain > LARGEST_GAIN

    def sentence(self) -> str:
        """What is at odds and which scale fits; empty where nothing is."""
        if not self.at_odds:
            return ""
        width = "wide" if self.factor < 1 else "narrow"
        stds = f"readout w_std {self.w_std:.2g} → {_plain(self.w_std * self.factor)}"
        if self.b_std is not None:
            stds += f", b_std {self.b_std:.2g} → {_plain(self.b_std * self.factor)}"
        text = (
            f"The prior is too {width} for these targets: a readout std times "
            f"{_plain(self.factor)} ({stds}) makes them 10^{self.gain / math.log(10):.0f} times as "
            "likely in the limit"
        )
        if self.factor > 1 and self.noise_gain > self.gain:
            text += (
                f"; a noise_std of {_plain(self.noise_std * self.noise_factor)} instead of "
                f"{self.noise_std:.2g} fits better still, 10^{self.noise_gain / math.log(10):.0f}"
            )
        return text + "."


def _plain(number: float) -> str:
    """Two digits, without an exponent where that can be."""
    return f"{float(f'{number:.2g}'):,g}"


def prior_scale(posterior: Posterior) -> PriorScale | None:
    """The scale of the prior against the targets, in the infinite-width limit.

    None where the limit's evidence has no closed form: noise that is not Gaussian of known
    size, no linear readout, random scales, or a network without a finite limit kernel.
    """
    likelihood, readout = posterior.likelihood, split_readout(posterior.network)[1]
    if likelihood.known_std is None or readout is None or readout.random_scales:
        return None
    kernel = _kernel(posterior)
    if kernel is None or not np.all(np.isfinite(kernel)):
        return None
    variances, directions = np.linalg.eigh(kernel)
    variances = np.maximum(variances, 0.0)
    squares = np.sum((directions.T @ posterior.targets) ** 2, axis=1)
    num_outputs, noise = posterior.targets.shape[1], likelihood.known_var()
    now = _log_evidence(variances + noise, squares, num_outputs)
    scaled = gains(variances, squares, num_outputs, noise)
    larger = _FACTORS[_FACTORS > 0.999, None] ** 2
    noisier = _log_evidence(variances + larger * noise, squares, num_outputs) - now
    best, best_noise = int(np.argmax(scaled)), int(np.argmax(noisier))
    return PriorScale(
        w_std=float(readout.w_std),
        b_std=None if readout.b_std is None else float(readout.b_std),
        noise_std=math.sqrt(noise),
        factor=float(_FACTORS[best]),
        gain=float(scaled[best]),
        noise_factor=float(np.sqrt(larger[best_noise, 0])),
        noise_gain=float(noisier[best_noise]),
        norm_ratio=float(np.sum(squares / (variances + noise)) / posterior.targets.size),
    )


@in_double_precision
def _kernel(posterior: Posterior) -> Float[np.ndarray, "n n"] | None:
    """The limit's at the training points, units drawn from a key of its own where need be."""
    x = jnp.asarray(posterior.x.reshape(posterior.num_points, -1))
    try:
        require_one_process(posterior.network)
        return np.asarray(self_kernel(posterior.network, x, jax.random.key(0)))
    except (NotImplementedError, ValueError):  # no kernel, or not one
        return None


def gains(
    variances: Float[np.ndarray, " n"],
    squares: Float[np.ndarray, " n"],
    num_outputs: int,
    noise_var: float,
) -> Float[np.ndarray, " f"]:
    """Nats of evidence that each factor on the readout std gains.

    variances: eigenvalues of the kernel K; squares: Σ_o (uᵢᵀy_o)² along its eigenvectors.
    """
    now = _log_evidence(variances + noise_var, squares, num_outputs)
    scaled = _FACTORS[:, None] ** 2 * variances + noise_var
    return _log_evidence(scaled, squares, num_outputs) - now


def _log_evidence(
    spectrum: Float[np.ndarray, "*f n"], squares: Float[np.ndarray, " n"], num_outputs: int
) -> Float[np.ndarray, "*f"]:
    """Σ_o log N(y_o; 0, K + σ²I) from its eigenvalues and Σ_o (uᵢᵀy_o)², in nats."""
    logs = num_outputs * np.log(2 * np.pi * spectrum)
    return -0.5 * np.sum(squares / spectrum + logs, axis=-1)


# Exactness is worth this long a wait, or so many proposals where no time was measured.
FEASIBLE_SECONDS = 3600.0
FEASIBLE_PROPOSALS = 1e8
# Strict draws are advised without more words in so many seconds, or so many times those of capped.
_SHORT, _MUCH_LONGER = 60.0, 10.0
# A pilot worth fewer draws than the first gives only a rough cap, whose last percent of mass
# it hardly saw (worth 130 draws, its figure was a run's within a factor of two), than the
# second none; an evidence needs fewer draws than a cap.
_ROUGH_CAP, _HOPELESS_SIZE, _ROUGH_EVIDENCE = 400.0, 10.0, 100.0
_EASIER = "Fewer training points, wider networks or more noise make it easier."
_BY_PAIRS = (
    "Pairs of coupled chains (coupled.sample), where they meet, give independent draws at a "
    "measured distance; coupled.forecast, or bnnpost forecast --method coupled, tells the cost."
)


@dataclass(frozen=True)
class Option:
    """One way to run rejection, and what it is expected to cost.

    bound: "collapsed", "naive" or "auxiliary" (strict bounds), or "capped". log_bound: that bound
    (of auxiliary rejection the log weight of a draw), or the cap that a pilot suggests, in nats
    (NaN where its proposals had no positive weight).
    log10_acceptance: expected acceptance per proposal, as a power of ten.
    seconds_per_proposal: on this device, once all is compiled; None where it was not measured.
    block: proposals that are evaluated together. num_first: proposals before the run, to
    choose its cap.
    """

    space: str
    bound: str
    log_bound: float
    log10_acceptance: float
    seconds_per_proposal: float | None = None
    block: int = 1
    num_first: int = 0

    @property
    def acceptance_rate(self) -> float:
        """Expected accepted draws per proposal (0 where too small for a float)."""
        return 10.0**self.log10_acceptance

    def proposals(self, num_samples: int) -> float:
        """Expected proposals for this many draws; infinity where too many for a float."""
        log10 = math.log10(num_samples) - self.log10_acceptance
        return 10.0**log10 if log10 < 300 else math.inf

    def seconds(self, num_samples: int) -> float | None:
        """Expected seconds for this many draws, compilation aside; None where not measured.

        Whole blocks are run, before the run's proposals those that choose a cap.
        """
        if self.seconds_per_proposal is None:
            return None
        first = math.ceil(self.num_first / self.block) * self.block
        number = first + max(self.proposals(num_samples), float(self.block))
        return self.seconds_per_proposal * number


@dataclass(frozen=True)
class Forecast:
    """Expected cost of strict and capped rejection and of estimates over all proposals.

    limit_log_evidence: of the infinite-width limit, in nats (NaN where it has no closed
    form). pilot_log_evidence, pilot_log_evidence_se, pilot_effective_size: of a pilot of
    num_pilot proposals of the finite network, with its own random numbers; num_nan: those of
    them whose weight is NaN; pareto_k of their weights (None for a handful). source: where
    the acceptance of strict bounds is from, "pilot" where its weights are worth at least 100
    draws, else "limit": for networks about as narrow as there are points the limit can be off
    by orders of magnitude. options: each space with each strict bound there is; no_strict:
    why there is none, else empty. capped_options: each space with the cap that the pilot
    suggests. collapsed: whether their readout is integrated out; linear_readout: whether
    there is one at all, without which there are no importance estimates.
    prior_scale: None where there is nothing to compare.
    """

    limit_log_evidence: float
    pilot_log_evidence: float
    pilot_log_evidence_se: float
    pilot_effective_size: float
    source: str
    options: tuple[Option, ...]
    capped_options: tuple[Option, ...]
    num_pilot: int
    num_nan: int
    pareto_k: float | None
    no_strict: str
    collapsed: bool
    linear_readout: bool
    prior_scale: PriorScale | None

    @property
    def best(self) -> Option:
        """The strict option with the fewest expected proposals, the first where it is a tie.

        Raises ValueError where there is no strict bound.
        """
        if not self.options:
            raise ValueError(f"no strict bound exists ({self.no_strict}): see forecast.capped")
        return max(self.options, key=lambda option: option.log10_acceptance)

    @property
    def capped(self) -> Option:
        """Capped rejection in function space."""
        return self.option("auto", "capped")

    @property
    def effective_per_proposal(self) -> float:
        """Equally weighted draws that a proposal of an importance estimate is worth."""
        return self.pilot_effective_size / self.num_pilot

    def option(self, space: str, bound: str) -> Option:
        """The option for this space ("auto" is function space) and bound, "capped" included.

        Raises ValueError where there is none.
        """
        wanted = "functions" if space == "auto" else space
        every = (*self.options, *self.capped_options)
        for option in every:
            if (option.space, option.bound) == (wanted, bound):
                return option
        known = ", ".join(f"{option.space}/{option.bound}" for option in every)
        raise ValueError(f"no option {wanted}/{bound}: expected one of {known}")

    def strict(self, space: str, collapse: bool) -> Option:
        """The option of strict rejection as it is run: collapsed where that can be, or auxiliary.

        Raises ValueError where there is no strict bound.
        """
        bounds = {option.bound for option in self.options}
        if not bounds:
            raise ValueError(self.no_strict)
        wanted = ("auxiliary", "collapsed", "naive") if collapse else ("naive",)
        return self.option(space, next(bound for bound in wanted if bound in bounds))

    def advice(self, num_samples: int) -> str:
        """What `num_samples` draws would cost and what to do, one plain sentence a line.

        Strict where it takes at most an hour here (where no time was measured, 10⁸
        proposals), else capped; where even its weights are worth next to nothing, what would
        help.
        """
        return "\n".join(sentences(self, num_samples))


def costs(forecast: Forecast, method: Rejection, num_samples: int, every: bool) -> list[Cost]:
    """Return what so many draws are expected to cost by this method, or in every way there is.

    Raises ValueError where the method has no bound here.
    """
    say = sentences(forecast, num_samples)
    odd = "" if forecast.prior_scale is None else forecast.prior_scale.sentence()
    found = []
    for option in _ways(forecast, method, every):
        way = [Fact("space", "space", option.space), Fact("bound", "bound", option.bound)]
        cost = Cost(
            seconds=option.seconds(num_samples),
            sentences=say,
            facts=[*(way if every else ()), *_facts(forecast, option, num_samples)],
            of_estimates=_of_estimates(forecast),
            data=_data(forecast, option),
            proposals=option.proposals(num_samples),
            oddity=odd,
            refusal=_refusal(forecast, option, method, num_samples, say),
            expectation=_expectation(forecast, option, num_samples),
        )
        found.append(cost)
    return found


def _ways(forecast: Forecast, method: Rejection, every: bool) -> Sequence[Option]:
    if every:
        return (*forecast.options, *forecast.capped_options)
    if method.bound == "strict":
        return (forecast.strict(method.space, method.collapse is not False),)
    return (forecast.option(method.space, method.bound),)


def _facts(forecast: Forecast, option: Option, num_samples: int) -> list[Fact]:
    """Return the cost in short, without numbers where the pilot cannot tell them."""
    is_known = option.bound != "capped" or is_judged(forecast)
    seconds = option.seconds(num_samples)
    acceptance = Number(option.log10_acceptance, digits=2, form="exponent")
    proposals = expected_count(option.proposals(num_samples))
    return [
        Fact("log10_acceptance", "acceptance", acceptance if is_known else None),
        Fact("proposals", "proposals", proposals if is_known else None),
        Fact("seconds", "time", lasted(seconds) if is_known and seconds is not None else None),
        Fact("source", "from", _source(forecast, option)),
    ]


def _source(forecast: Forecast, option: Option) -> str:
    return "pilot" if option.bound == "capped" else forecast.source


def _of_estimates(forecast: Forecast) -> list[Fact]:
    worth, k = measured(forecast.effective_per_proposal, digits=2), forecast.pareto_k
    tail = None if k is None else Number(k, digits=2, form="places")
    return [
        Fact("effective_per_proposal", "effective draws a proposal", worth),
        Fact("pareto_k", "Pareto k", tail),
    ]


def _data(forecast: Forecast, option: Option) -> dict[str, object]:
    scale = forecast.prior_scale
    of_option = ("space", "bound", "log_bound", "seconds_per_proposal", "block", "num_first")
    of_pilot = (
        "limit_log_evidence", "pilot_log_evidence", "pilot_log_evidence_se",
        "pilot_effective_size", "num_pilot", "num_nan", "no_strict",
    )  # fmt: skip
    return {
        **{name: getattr(option, name) for name in of_option},
        **{name: getattr(forecast, name) for name in of_pilot},
        "prior_scale": scale and {**dataclasses.asdict(scale), "at_odds": scale.at_odds},
    }


def _expectation(forecast: Forecast, option: Option, num_samples: int) -> Expectation:
    return Expectation(
        space=option.space,
        bound=option.bound,
        num_samples=num_samples,
        acceptance_rate=option.acceptance_rate,
        proposals=finite(option.proposals(num_samples)),
        seconds=finite(option.seconds(num_samples)),
        source=_source(forecast, option),
        limit_log_evidence=finite(forecast.limit_log_evidence),
        pilot_log_evidence=finite(forecast.pilot_log_evidence),
    )


def _refusal(
    forecast: Forecast, option: Option, method: Rejection, num_samples: int, say: list[str]
) -> str:
    """Why so many proposals are too many, and what to do; empty if they are not."""
    needed = option.proposals(num_samples)
    limit = min(MOST_PROPOSALS, method.max_proposals or MOST_PROPOSALS)
    if needed <= limit:
        return ""
    ways = ["use fewer training points or draws or more noise"]
    if method.max_proposals is not None:
        ways.append("raise max_proposals")
    if method.bound != "capped" and is_judged(forecast):
        ways.append("ask for weighted draws with --bound capped")
    number = f"{needed:.2g}" if math.isfinite(needed) else "more than 1e300"
    advice = "\n".join(say)
    return (
        f"is expected to need {number} proposals for {num_samples} draws, more than {limit:.2g}: "
        f"{', '.join(ways)}, or run it all the same with --force.\n{advice}"
    )


def sentences(forecast: Forecast, num_samples: int) -> list[str]:
    """What `num_samples` draws would cost, what to do, and what to beware of."""
    num_samples = positive_integer("num_samples", num_samples)
    found = [_costs(forecast, num_samples), _recommended(forecast, num_samples)]
    return [sentence for sentence in (*found, *_cautions(forecast)) if sentence]


def is_feasible(option: Option, num_samples: int) -> bool:
    """Whether draws under this strict bound take at most an hour, or 10⁸ proposals if untimed."""
    seconds = option.seconds(num_samples)
    if seconds is None:
        return option.proposals(num_samples) <= FEASIBLE_PROPOSALS
    return seconds <= FEASIBLE_SECONDS


def _costs(forecast: Forecast, num_samples: int) -> str:
    parts = []
    size = forecast.pilot_effective_size
    if forecast.options:
        limiting = forecast.source == "limit"
        basis = ", judged by the infinite-width limit," if limiting else ""
        option = quickest(forecast, num_samples)
        rough = size < _ROUGH_EVIDENCE and not limiting
        needed = _needed(option, num_samples, "roughly" if rough else "about")
        parts.append(f"strict{basis} needs {needed}")
    if is_judged(forecast):
        about = "roughly" if size < _ROUGH_CAP else "about"
        parts.append(
            f"capped needs {_needed(forecast.capped, num_samples, about)} and leaves "
            f"{100 * EXCESS_MASS:.0f} % of the mass to weights"
        )
    elif size > 0:
        parts.append("what capped needs cannot be told from this pilot")
    return f"For {num_samples:,} draws {'; '.join(parts)}." if parts else ""


def is_judged(forecast: Forecast) -> bool:
    """Whether the pilot's weights say anything of capped rejection and of estimates."""
    return forecast.pilot_effective_size >= _HOPELESS_SIZE


def quickest(forecast: Forecast, num_samples: int) -> Option:
    """The strict option that takes the least time, or the fewest proposals where untimed.

    Raises ValueError where there is no strict bound.
    """
    timed = [option for option in forecast.options if option.seconds_per_proposal is not None]
    if not timed:
        return forecast.best
    return min(timed, key=lambda o: (o.seconds(num_samples), -o.log10_acceptance))


def _needed(option: Option, num_samples: int, about: str) -> str:
    proposals, seconds = option.proposals(num_samples), option.seconds(num_samples)
    if not math.isfinite(proposals):
        return f"{count(proposals)} proposals"
    time = "" if seconds is None else f" ({duration(seconds)} here)"
    return f"{about} {count(proposals)} proposals{time}"


def _recommended(forecast: Forecast, num_samples: int) -> str:
    size = forecast.pilot_effective_size
    if forecast.options and is_feasible(quickest(forecast, num_samples), num_samples):
        return _strict_advised(forecast, num_samples)
    if size == 0:
        return (
            f"None of the pilot's {forecast.num_pilot:,} proposals had a positive weight: the "
            "prior and the targets are at odds, or the likelihood gives no number. "
            f"{_EASIER} {_BY_PAIRS}"
        )
    draws = count(size) if size >= _HOPELESS_SIZE else f"{size:.1f}"
    worth = f"the pilot's {forecast.num_pilot:,} proposals are worth {draws} draws"
    if not is_judged(forecast):
        estimates = (
            " Estimates over all of many proposals (importance.estimate) waste the least."
            if forecast.linear_readout
            else ""
        )
        return f"Rejection is not advised: {worth}. {_EASIER} {_BY_PAIRS}{estimates}"
    if size < _ROUGH_CAP:
        return f"Use capped with care: {worth}, so its figures are rough. {_EASIER}"
    return "Use capped: its draws are weighted, for the exact posterior."


def _strict_advised(forecast: Forecast, num_samples: int) -> str:
    exact = "its draws are exact and equally weighted"
    taken = quickest(forecast, num_samples).seconds(num_samples)
    other = forecast.capped.seconds(num_samples) if is_judged(forecast) else None
    if taken is None or other is None or taken <= max(_SHORT, _MUCH_LONGER * other):
        return f"Use strict: {exact}."
    return (
        f"Use strict if {duration(taken)} are no matter: {exact}. Capped draws have weights, and "
        f"take {duration(other)}."
    )


def _cautions(forecast: Forecast) -> Iterator[str]:
    if forecast.no_strict:
        yield f"Draws can only be weighted: {forecast.no_strict.rstrip('.')}."
    if not forecast.linear_readout:
        yield (
            "The network does not end in a Dense layer: no readout is integrated out, so weights "
            "differ more, and there are no estimates over all proposals."
        )
    k = forecast.pareto_k
    if k is not None and k > LARGEST_PARETO_K and is_judged(forecast):
        yield (
            f"The weights' tail is heavy (Pareto-k {k:.2f}, above {LARGEST_PARETO_K}): larger "
            "weights than the pilot saw are to be expected."
        )
    if forecast.num_nan:
        yield f"{forecast.num_nan:,} of the pilot's weights are NaN: a run would stop at the first."
    if forecast.prior_scale is not None:
        yield forecast.prior_scale.sentence()


# A pilot whose weights are worth fewer equally weighted draws than this says less than the limit.
_TRUSTED_SIZE = 100.0
# Seconds in which each part is mostly over.
_DELAY = 3.0


def forecast(
    key: Array,
    posterior: Posterior,
    *,
    num_pilot: int = pilot.NUM_PILOT,
    collapse: bool = True,
    precision: str = "single",
    cap: float | None = None,
    calibrate: Collection[str] = SPACES,
    progress: bool = False,
) -> Forecast:
    """Expected acceptance, proposals and time of strict and of capped rejection, and advice.

    Strict: acceptance is the evidence over the bound; as widths grow the evidence tends to the
    limit's, so the cost is known before the run. A pilot of `num_pilot` proposals checks that
    at this width, and suggests the cap of capped rejection. collapse, cap, precision: as for
    `rejection.sample`, where collapse False concerns the capped options only (strict ones are
    listed both ways). calibrate: the spaces, of "functions" and "weights", in which proposals
    are timed, each of which compiles and then takes about half a second; a naive bound is
    given the time of the collapsed one in its space; no time is taken of proposals so large that
    a few of them would take minutes. progress: of all this, on stderr.

    Raises TypeError for a legacy key, ValueError for bad arguments and for proposals that would
    not fit in memory.
    """
    require_key(key)
    require_posterior(posterior)
    num_pilot = positive_integer("num_pilot", num_pilot)
    calibrate = (calibrate,) if isinstance(calibrate, str) else calibrate
    if unknown := set(calibrate) - set(SPACES):
        raise ValueError(f"expected calibrate to be of {', '.join(SPACES)}, got {unknown}")
    with Progress(0, enabled=progress, label="forecast", delay=_DELAY):
        return _forecast(key, posterior, num_pilot, collapse, precision, cap, calibrate, progress)


def _forecast(
    key: Array,
    posterior: Posterior,
    num_pilot: int,
    collapse: bool,
    precision: str,
    cap: float | None,
    calibrate: Collection[str],
    progress: bool,
) -> Forecast:
    strict, no_strict = _strict_spaces(posterior, precision)
    weighted = [
        make_space(posterior, space=form, collapse=collapse, precision=precision, strict=False)
        for form in SPACES
    ]
    first = _the_same(weighted[0], strict)
    logs = pilot.log_weights(key, first, num_pilot, pilot.short_blocks(first), progress)
    sums = WeightSum().add(logs)
    found, size = sums.log_mean(), sums.effective_sample_size()
    limiting = limit_log_evidence(posterior, key)
    trusted = size >= _TRUSTED_SIZE or math.isnan(limiting)
    timed = _Timer(key, calibrate, strict)
    level, accepted = _cap(logs, cap)
    k = pareto_k(logs) if math.isfinite(found.value) else math.nan
    # Mostly compilation: what is said is that something is being done, not how much of it.
    with Progress(len(calibrate), enabled=progress, label="timing", unit="space", delay=_DELAY):
        options = tuple(timed.strict(s, found.value if trusted else limiting) for s in strict)
        capped_options = tuple(timed.capped(s, level, accepted) for s in weighted)
    return Forecast(
        limit_log_evidence=limiting,
        pilot_log_evidence=found.value,
        pilot_log_evidence_se=found.standard_error,
        pilot_effective_size=size,
        source="pilot" if trusted else "limit",
        options=options,
        capped_options=capped_options,
        num_pilot=num_pilot,
        num_nan=int(np.sum(np.isnan(logs))),
        pareto_k=None if math.isnan(k) else k,
        no_strict=no_strict,
        collapsed=weighted[0].collapse,
        linear_readout=split_readout(posterior.network)[1] is not None,
        prior_scale=prior_scale(posterior),
    )


@dataclass
class _Timer:
    """Makes options, timing proposals once for each space and kind of work."""

    key: Array
    calibrate: Collection[str]
    known: list[Space]
    times: dict[tuple[str, bool, bool], float | None] = dataclasses.field(default_factory=dict)

    def strict(self, space: Space, log_evidence: float) -> Option:
        log_bound = space.log_bound()
        expected = (log_evidence - log_bound) / math.log(10)
        block = engine.block_shape(space).block
        return Option(space.form, space.bound, log_bound, expected, self._seconds(space), block)

    def capped(self, space: Space, log_cap: float, log10_acceptance: float) -> Option:
        seconds, block = self._seconds(space), engine.block_shape(space).block
        return Option(
            space.form, "capped", log_cap, log10_acceptance, seconds, block, pilot.NUM_PILOT
        )

    def _seconds(self, space: Space) -> float | None:
        if space.form not in self.calibrate:
            return None
        same = _the_same(space, self.known)
        is_known = any(same is other for other in self.known)
        kind = (space.form, is_known, space.auxiliary is not None)
        if kind not in self.times:
            # Of the likelihood's bounds in one space the first, the collapsed one, stands for both.
            stands = is_known and space.auxiliary is None
            work = next(s for s in self.known if s.form == space.form) if stands else space
            self.times[kind] = pilot.seconds_per_proposal(self.key, work)
        return self.times[kind]


def _the_same(space: Space, others: list[Space]) -> Space:
    """The one of `others` whose draws and weights are the same, so compiled already, or `space`."""
    for other in others:
        alike = dataclasses.replace(other, strict=space.strict, _log_bound=space._log_bound)
        if bool(eqx.tree_equal(space, alike)):
            return other
    return space


def _cap(log_weights: Float[np.ndarray, " p"], cap: float | None) -> tuple[float, float]:
    """The cap, in nats, and log10 of the acceptance under it; no hope without positive weights."""
    try:
        level = plan.choose_cap(log_weights) if cap is None else float(cap)
    except ValueError:  # no positive weight
        return math.nan, -math.inf
    clipped = WeightSum().add(np.minimum(log_weights, level)).log_mean().value
    return level, (clipped - level) / math.log(10)


def _strict_spaces(posterior: Posterior, precision: str) -> tuple[list[Space], str]:
    """Every space with every strict bound, the most collapsed first; why none, if none."""
    found: list[Space] = []
    reasons: list[str] = []
    for collapse, form in itertools.product((True, False), SPACES):
        try:
            one = make_space(posterior, space=form, collapse=collapse, precision=precision)
        except ValueError as error:  # no such bound
            reasons.append(str(error))
            continue
        if (one.form, one.bound) not in {(other.form, other.bound) for other in found}:
            found.append(one)
    if not found:
        return [], reasons[0]
    chosen = (strict_space(posterior, space=form, precision=precision) for form in SPACES)
    return [*found, *(one for one in chosen if one.auxiliary is not None)], ""


__all__ = ["Forecast", "Option", "forecast"]
