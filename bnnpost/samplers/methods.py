"""How draws of one posterior are made: each method, its settings, and what it does with them.

A method is a class whose fields are its settings, declared here once for configurations, flags and
documentation, and which begins and finishes runs. One that is defined elsewhere is known by its
names as soon as its module is imported. Nothing heavy is imported before a method is used.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bnnpost.samplers.kernels.named import KERNELS
from bnnpost.settings import ConfigError, Meaning, check, meanings, one_of, setting, typed

if TYPE_CHECKING:
    from jaxtyping import Array

    from bnnpost.draws import Draws
    from bnnpost.posterior import Posterior
    from bnnpost.runs.store import Run
    from bnnpost.samplers.cost import Cost
    from bnnpost.storage import Say

REJECTION, COUPLED = "rejection", "coupled"
# Of a run, by the name that configurations call it.
METHODS: dict[str, "type[Method]"] = {}
METHOD = Meaning(
    "method",
    "rejection: independent draws. For what rejection has no hope of, coupled: independent draws "
    "at a measured distance from the posterior, compared by themselves, without the evidence; and, "
    "of bnnpost sample, chains of dependent draws: hmc and nuts follow gradients, pcn and slice "
    "turn functions.",
    shown=REJECTION,
)
# Flags that say who makes proposals, and that they are made whatever they cost.
_OF_WORK = ("executor", "jobs", "scheduler", "force")


@dataclass(frozen=True)
class Method(ABC):
    """A way to make draws, with its settings as fields. Raises ConfigError for wrong ones.

    names: by which it is chosen. by_proposals: whether its draws are accepted proposals, which
    workers may divide among them, of which a forecast tells the number, and over which distances
    from the limit are weighed. independent: whether its draws are.
    """

    names: ClassVar[tuple[str, ...]] = ()
    by_proposals: ClassVar[bool] = False
    independent: ClassVar[bool] = True

    space: str = setting(
        "auto", "sampling", "Where to draw: auto, functions or weights.",
        choices=("auto", "functions", "weights"),
    )  # fmt: skip
    collapse: bool | None = setting(
        True, "sampling", "Integrate the readout out (many times the acceptance).",
        shown="collapse",
    )  # fmt: skip
    precision: str = setting(
        "single", "sampling", "Of the random features: single or double.",
        choices=("single", "double"),
    )  # fmt: skip

    def __init_subclass__(cls) -> None:
        METHODS.update(dict.fromkeys(cls.names, cls))

    def __post_init__(self) -> None:
        check(self)

    @property
    def name(self) -> str:
        """By which it was chosen."""
        return self.names[0]

    @classmethod
    def taken(cls, name: str) -> tuple[str, ...]:
        """Settings that it takes when it is chosen by this name."""
        return tuple(meanings(cls))

    @classmethod
    def make(cls, name: str, settings: Mapping[str, Any]) -> "Method":
        """The method that is chosen by this name, with these settings."""
        return cls(**settings)

    def as_dict(self) -> dict[str, object]:
        """Its settings as plain data, the name among them."""
        return {"method": self.name, **dataclasses.asdict(self)}

    def options(self) -> dict[str, Any]:
        """Its settings as what samples takes them: those that were given."""
        settings = {name: getattr(self, name) for name in self.taken(self.name)}
        return {name: value for name, value in settings.items() if value is not None}

    def check_goal(self, num_samples: int) -> None:  # noqa: B027 - most make any number
        """Raise ConfigError where so many draws cannot be made."""

    @abstractmethod
    def in_words(self, num_samples: int) -> str:
        """Draws by this method, as part of a sentence."""

    @abstractmethod
    def forecast(
        self,
        key: "Array",
        posterior: "Posterior",
        num_samples: int,
        *,
        every: bool = False,
        timed: bool = True,
        progress: bool = False,
    ) -> "list[Cost]":
        """What draws are expected to cost, by a pilot, before any are made.

        key: of the draws, or where there are proposals one of its own. every: of each way of making
        them, where there are several. timed: whether proposals are timed. progress: on stderr.
        Raises NoDraws where there can be none, ValueError for settings that do not go together.
        """

    @abstractmethod
    def sample(
        self, key: "Array", posterior: "Posterior", num_samples: int, *, progress: bool = False
    ) -> "Draws":
        """Draws in memory. progress: a bar on stderr."""

    @abstractmethod
    def run(self, path: Any) -> "Run[Any]":
        """The directory at this path as that of a run by this method."""

    @abstractmethod
    def begin(
        self,
        run: "Run[Any]",
        key: "Array",
        posterior: "Posterior",
        num_samples: int,
        say: "Say",
    ) -> Any:
        """Write down what is sampled, or go on with the run there; what there is of it on disk.

        Raises OtherRun where the directory holds another run, ValueError for settings that do not
        go together.
        """

    @abstractmethod
    def finish(
        self,
        stored: Any,
        num_samples: int,
        *,
        started: float,
        progress: bool = False,
        executor: Executor | None = None,
        retries: int = 1,
    ) -> "Draws":
        """The draws of what `begin` gave, computed as far as they are missing, and kept.

        started: `time.perf_counter()` when the call began. executor, retries: of workers, where
        proposals are divided among them.
        """


@dataclass(frozen=True)
class Rejection(Method):
    """Prior draws, kept with a probability that makes them posterior draws; `rejection.sample`."""

    names = (REJECTION,)
    by_proposals = True

    bound: str = setting(
        "strict", "sampling",
        "strict: exact draws, by whichever of collapsed and auxiliary is cheaper; capped: weighted "
        "draws, for many points.",
        choices=("strict", "collapsed", "auxiliary", "capped"),
    )  # fmt: skip
    cap: float | None = setting(
        None, "sampling", "Log cap of capped draws, in nats.", shown="by a pilot"
    )
    max_proposals: int | None = setting(
        None, "sampling", "Stop a width after this many proposals.", shown="no limit", least=1,
        most=2**63,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cap is not None and self.bound != "capped":
            raise ConfigError('cap: only with bound = "capped"')

    def _plan(self, key: "Array", posterior: "Posterior") -> Any:
        from bnnpost.samplers.plan import Plan

        names = ("bound", "cap", "space", "collapse", "precision")
        return Plan.make(key, posterior, **{name: getattr(self, name) for name in names})

    def in_words(self, num_samples: int) -> str:
        return f"{num_samples:,} draws by rejection"

    def forecast(
        self,
        key: "Array",
        posterior: "Posterior",
        num_samples: int,
        *,
        every: bool = False,
        timed: bool = True,
        progress: bool = False,
    ) -> "list[Cost]":
        from bnnpost.samplers.forecast import costs, forecast
        from bnnpost.spaces.space import SPACES

        own = ("functions" if self.space == "auto" else self.space,)
        found = forecast(
            key,
            posterior,
            collapse=self.collapse is not False,
            precision=self.precision,
            cap=self.cap,
            calibrate=(SPACES if every else own) if timed else (),
            progress=progress,
        )
        return costs(found, self, num_samples, every)

    def sample(
        self, key: "Array", posterior: "Posterior", num_samples: int, *, progress: bool = False
    ) -> "Draws":
        from bnnpost.samplers import rejection

        return rejection.sample(
            key, posterior, num_samples=num_samples, progress=progress, **self.options()
        )

    def run(self, path: Any) -> "Run[Any]":
        from bnnpost.runs.store import Run
        from bnnpost.samplers.plan import Plan

        return Run(path, Plan)

    def begin(
        self,
        run: "Run[Any]",
        key: "Array",
        posterior: "Posterior",
        num_samples: int,
        say: "Say",
    ) -> Any:
        from bnnpost.samplers.rejection_run import StoredBlocks

        run.begin(self._plan(key, posterior).begun, say)
        blocks = StoredBlocks(run)
        blocks.check_origin()
        return blocks

    def finish(
        self,
        stored: Any,
        num_samples: int,
        *,
        started: float,
        progress: bool = False,
        executor: Executor | None = None,
        retries: int = 1,
    ) -> "Draws":
        goal = self.goal(num_samples)
        if executor is not None:
            stored.compute(goal, executor, retries=retries, progress=progress)
        draws: Draws = stored.finish(goal, started=started, progress=progress)
        return draws

    def goal(self, num_samples: int) -> Any:
        """When a run of so many draws is over."""
        from bnnpost.samplers.plan import Goal

        return Goal(num_samples, self.max_proposals)


@dataclass(frozen=True)
class Coupled(Method):
    """Independent draws at a measured distance from the posterior; `coupled.sample`."""

    names = (COUPLED,)

    kernel: str = setting(
        "auto", "pairs", "coupled: what moves pairs: auto, hmc, pcn or slice.",
        choices=("auto", *(name for name, kernel in KERNELS.items() if kernel.coupled)),
    )  # fmt: skip
    tolerance: float = setting(
        0.01, "pairs",
        "coupled: total variation from the posterior that draws are to be below, at 95 %.",
    )  # fmt: skip
    lag: int | None = setting(
        None, "pairs", "coupled: steps that one chain of a pair is ahead.", shown="by a pilot",
        least=1,
    )  # fmt: skip
    max_steps: int = setting(
        10_000, "pairs", "coupled: the most that a pair is run in search of a meeting.", least=1
    )

    def check_goal(self, num_samples: int) -> None:
        from bnnpost.samplers.coupled.bounds import checked_goal

        try:
            checked_goal(num_samples, self.tolerance)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def options(self) -> dict[str, Any]:
        options = super().options()
        return {**options, "space": "functions"} if self.space == "auto" else options

    def _of_pairs(self) -> dict[str, Any]:
        return {name: one for name, one in self.options().items() if name != "tolerance"}

    def in_words(self, num_samples: int) -> str:
        return (
            f"{num_samples:,} draws by coupled chains, within {self.tolerance:g} of the posterior "
            "in total variation"
        )

    def forecast(
        self,
        key: "Array",
        posterior: "Posterior",
        num_samples: int,
        *,
        every: bool = False,
        timed: bool = True,
        progress: bool = False,
    ) -> "list[Cost]":
        from bnnpost.samplers.coupled.pair_forecast import forecast

        return [forecast(key, posterior, num_samples=num_samples, **self.options()).cost()]

    def sample(
        self, key: "Array", posterior: "Posterior", num_samples: int, *, progress: bool = False
    ) -> "Draws":
        from bnnpost.samplers.coupled import coupled

        return coupled.sample(
            key, posterior, num_samples=num_samples, progress=progress, **self.options()
        )

    def run(self, path: Any) -> "Run[Any]":
        from bnnpost.runs.store import Run
        from bnnpost.samplers.coupled.pair_draws import Pairing

        return Run(path, Pairing)

    def begin(
        self,
        run: "Run[Any]",
        key: "Array",
        posterior: "Posterior",
        num_samples: int,
        say: "Say",
    ) -> Any:
        from bnnpost.samplers.coupled.pair_draws import Pairing
        from bnnpost.samplers.coupled.pair_run import StoredPairs

        options = self._of_pairs()
        run.begin(lambda record: Pairing.make(key, posterior, num_samples, options, record), say)
        return StoredPairs(run)

    def finish(
        self,
        stored: Any,
        num_samples: int,
        *,
        started: float,
        progress: bool = False,
        executor: Executor | None = None,
        retries: int = 1,
    ) -> "Draws":
        draws: Draws = stored.finish(
            num_samples, self.tolerance, started=started, progress=progress
        )
        return draws


@dataclass(frozen=True)
class Chains(Method):
    """Dependent draws of Markov chains; `chains.sample`.

    kernel_name: of what moves them. None stands for the kernel's own default.
    """

    names = tuple(KERNELS)
    independent = False

    kernel_name: str = "hmc"
    num_chains: int | None = setting(
        None, "chains", "Chains: how many.", shown="4", least=1, also=("--chains",)
    )
    num_warmup: int | None = setting(
        None, "chains",
        "Chains: transitions before draws are kept, in which step sizes are adapted; measured: of "
        "pcn, slice and hmc by rotations, as many as coupled chains show to be enough.",
        shown="1000; slice: 100", least=0, also=("--warmup",), word="measured",
    )  # fmt: skip
    thinning: int | None = setting(
        None, "chains", "Chains: keep one transition in so many.", shown="1", least=1
    )
    step_size: float | None = setting(
        None, "chains", "hmc, nuts, pcn: a step size that stays.", shown="adapted"
    )
    target_accept: float | None = setting(
        None, "chains", "hmc, nuts, pcn: acceptance that step sizes are adapted to.",
        shown="0.8; pcn: 0.3",
    )  # fmt: skip
    num_steps: int | None = setting(
        None, "chains", "hmc: steps of one trajectory.", shown="chosen by hmc.sample", least=1
    )
    integrator: str | None = setting(
        None, "chains", "hmc: leapfrog or rotation.", shown="by the space"
    )
    max_tree_depth: int | None = setting(
        None, "chains", "nuts: at most 2^N − 1 steps of one trajectory.", shown="10", least=1
    )
    # None is as the kernel has it in its space.
    collapse: bool | None = setting(
        None, "sampling", "Integrate the readout out.", shown="by the space"
    )

    @property
    def name(self) -> str:
        return self.kernel_name

    @classmethod
    def taken(cls, name: str) -> tuple[str, ...]:
        of_kernels = {setting for kernel in KERNELS.values() for setting in kernel.settings}
        others = of_kernels - set(KERNELS[name].settings)
        return tuple(setting for setting in meanings(cls) if setting not in others)

    @classmethod
    def make(cls, name: str, settings: Mapping[str, Any]) -> "Chains":
        return cls(kernel_name=name, **settings)

    def as_dict(self) -> dict[str, object]:
        return {"method": self.name, **super().options()}

    def options(self) -> dict[str, Any]:
        options = super().options()
        if self.space == "auto":
            del options["space"]
        return options

    def _of_run(self) -> tuple[Any, dict[str, Any]]:
        """The kernel, and the other arguments of `chains.sample`."""
        kernel, options = KERNELS[self.kernel_name], self.options()
        own = {name: options.pop(name) for name in kernel.settings if name in options}
        return kernel.make(own), options

    def in_words(self, num_samples: int) -> str:
        # The sampler's own default where none is given.
        number = 4 if self.num_chains is None else self.num_chains
        return f"{number} chains of {num_samples:,} draws by {self.name}"

    def forecast(
        self,
        key: "Array",
        posterior: "Posterior",
        num_samples: int,
        *,
        every: bool = False,
        timed: bool = True,
        progress: bool = False,
    ) -> "list[Cost]":
        from bnnpost.samplers.chains.chain_forecast import forecast

        kernel, options = self._of_run()
        return [forecast(key, posterior, kernel, num_samples=num_samples, **options).cost()]

    def sample(
        self, key: "Array", posterior: "Posterior", num_samples: int, *, progress: bool = False
    ) -> "Draws":
        from bnnpost.samplers.chains import entry

        kernel, options = self._of_run()
        return entry.sample(
            key, posterior, kernel, num_samples=num_samples, progress=progress, **options
        )

    def run(self, path: Any) -> "Run[Any]":
        from bnnpost.runs.store import Run
        from bnnpost.samplers.chains.run import ChainsPlan

        return Run(path, ChainsPlan)

    def begin(
        self,
        run: "Run[Any]",
        key: "Array",
        posterior: "Posterior",
        num_samples: int,
        say: "Say",
    ) -> Any:
        from bnnpost.samplers.chains.chain_run import StoredChains
        from bnnpost.samplers.chains.run import ChainsPlan

        kernel, options = self._of_run()
        run.begin(
            lambda record: ChainsPlan.make(
                key, posterior, kernel, num_samples=num_samples, **options
            ),
            say,
        )
        return StoredChains(run)

    def finish(
        self,
        stored: Any,
        num_samples: int,
        *,
        started: float,
        progress: bool = False,
        executor: Executor | None = None,
        retries: int = 1,
    ) -> "Draws":
        draws: Draws = stored.finish(started=started, progress=progress)
        return draws


def settings_of_all() -> dict[str, type[Method]]:
    """By each setting's name, of whichever method, the class that declares it first."""
    declared: dict[str, type[Method]] = {}
    for kind in dict.fromkeys(METHODS.values()):
        for name in meanings(kind):
            declared.setdefault(name, kind)
    return declared


def method_of(values: Mapping[str, object]) -> Method:
    """The method of a configuration's keys and values, with its settings.

    Settings of other methods may be there where they say nothing, as their defaults do. Raises
    ConfigError for an unknown method, and for settings that it does not take.
    """
    name = typed("method", str, values.get("method", REJECTION))
    one_of("method", str(name), tuple(METHODS))
    kind = METHODS[str(name)]
    taken, declared = kind.taken(str(name)), settings_of_all()
    given = {one: value for one, value in values.items() if one in declared}
    said = {one for one in given if given[one] != getattr(declared[one], one)}
    check_taken(str(name), said - set(taken))
    return kind.make(str(name), {one: value for one, value in given.items() if one in taken})


def check_taken(method: str, names: Collection[str]) -> None:
    """Raise ConfigError for settings that a method does not take."""
    for name in sorted(names):
        takers = [
            other
            for other, kind in METHODS.items()
            if name in kind.taken(other) or (name in _OF_WORK and kind.by_proposals)
        ]
        if takers and method not in takers:
            raise ConfigError(
                f"{name} does not apply to method {method}: it is for {', '.join(takers)}"
            )
