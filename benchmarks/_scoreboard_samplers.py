"""The samplers of `scoreboard.py`: what is called, with which settings, and what they are of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import _scoreboard_approximations as approximations
import _scoreboard_chains as chains

DEFAULT, TUNED = "default", "tuned"


@dataclass(frozen=True)
class Sampler:
    """One row of the table, or two.

    call: takes (key, posterior, x_test, **settings) and returns what `bnnpost.verify` takes.
    settings: by "default" and "tuned", keyword arguments; words: the same, for a reader.
    package: whose code it is; source: the paper. aim: "exact" where it converges to the posterior
    as it runs longer, "bounded" where its own bound on the distance is known, "approximate".
    """

    name: str
    call: Callable[..., object]
    package: str
    source: str
    aim: str
    settings: Mapping[str, Mapping[str, Any]]
    words: Mapping[str, str] = field(default_factory=dict)


def _nuts(target: float, warmup: int, draws: int) -> dict[str, float]:
    return {"warmup": warmup, "draws": draws, "target": target}


SAMPLERS = (
    Sampler(
        "NUTS (numpyro)",
        chains.numpyro_chain,
        "numpyro",
        "Hoffman and Gelman 2014",
        "exact",
        {
            DEFAULT: {"kernel": "NUTS", "warmup": 1000, "draws": 1000},
            TUNED: {
                "kernel": "NUTS",
                "warmup": 2000,
                "draws": 4000,
                "target_accept_prob": 0.95,
            },
        },
        {
            DEFAULT: "1,000 + 1,000 transitions, target acceptance 0.8, diagonal mass",
            TUNED: "2,000 + 4,000, target acceptance 0.95",
        },
    ),
    Sampler(
        "HMC (numpyro)",
        chains.numpyro_chain,
        "numpyro",
        "Neal 2011",
        "exact",
        {
            DEFAULT: {"kernel": "HMC", "warmup": 1000, "draws": 1000},
            TUNED: {
                "kernel": "HMC",
                "warmup": 2000,
                "draws": 4000,
                "trajectory_length": 1.6,
                "adapt_mass_matrix": False,
            },
        },
        {
            DEFAULT: "1,000 + 1,000 transitions, trajectory length 2π, target acceptance 0.8",
            TUNED: "2,000 + 4,000, trajectory length 1.6, unit mass",
        },
    ),
    Sampler(
        "NUTS (BlackJAX)",
        chains.blackjax_nuts,
        "blackjax",
        "Hoffman and Gelman 2014",
        "exact",
        {DEFAULT: _nuts(0.8, 1000, 1000), TUNED: _nuts(0.95, 2000, 4000)},
        {
            DEFAULT: "window adaptation, 1,000 + 1,000 transitions, target acceptance 0.8",
            TUNED: "2,000 + 4,000, target acceptance 0.95",
        },
    ),
    Sampler(
        "MCLMC",
        chains.mclmc,
        "blackjax",
        "Robnik, De Luca, Silverstein and Seljak 2023",
        "approximate",
        {
            DEFAULT: {
                "tuning": 10_000,
                "draws": 1000,
                "thinning": 10,
                "energy_variance": 5e-4,
            },
            TUNED: {
                "tuning": 20_000,
                "draws": 2000,
                "thinning": 40,
                "energy_variance": 1e-5,
            },
        },
        {
            DEFAULT: "L and step found in 10,000 steps, energy variance 5e-4, 10,000 steps",
            TUNED: "energy variance 1e-5, 80,000 steps",
        },
    ),
    Sampler(
        "adjusted MCLMC",
        chains.adjusted_mclmc,
        "blackjax",
        "Robnik, Cohn-Gordon and Seljak 2025",
        "exact",
        {
            DEFAULT: {"tuning": 2000, "draws": 1000, "thinning": 2, "target": 0.9},
            TUNED: {"tuning": 5000, "draws": 2000, "thinning": 10, "target": 0.9},
        },
        {
            DEFAULT: "L and step found in 2,000 transitions, target acceptance 0.9, then 2,000",
            TUNED: "found in 5,000, then 20,000",
        },
    ),
    Sampler(
        "elliptical slice (BlackJAX)",
        chains.elliptical_slice,
        "blackjax",
        "Murray, Adams and MacKay 2010",
        "exact",
        {
            DEFAULT: {"warmup": 1000, "draws": 1000, "thinning": 1},
            TUNED: {"warmup": 200, "draws": 2000, "thinning": 20},
        },
        {DEFAULT: "1,000 + 1,000 transitions", TUNED: "4,000 + 40,000"},
    ),
    Sampler(
        "SGLD",
        chains.stochastic_gradient,
        "blackjax",
        "Welling and Teh 2011",
        "approximate",
        {
            DEFAULT: {
                "kind": "sgld",
                "batch_share": 0.0,
                "steps": 10_000,
                "draws": 1000,
                "first_step": 0.01,
                "last_step": 0.0001,
            },
            TUNED: {
                "kind": "sgld",
                "batch_share": 0.5,
                "steps": 400_000,
                "draws": 2000,
                "first_step": 0.002,
                "last_step": 0.002,
            },
        },
        {
            DEFAULT: "as published: one row a step, 10,000 steps from 0.01 down to 0.0001",
            TUNED: "half of the data a step, 400,000 steps of 0.002",
        },
    ),
    Sampler(
        "SGHMC",
        chains.stochastic_gradient,
        "blackjax",
        "Chen, Fox and Guestrin 2014",
        "approximate",
        {
            DEFAULT: {
                "kind": "sghmc",
                "batch_share": 0.0,
                "steps": 10_000,
                "draws": 1000,
                "first_step": 0.01,
                "last_step": 0.01,
            },
            TUNED: {
                "kind": "sghmc",
                "batch_share": 0.5,
                "steps": 40_000,
                "draws": 2000,
                "first_step": 0.01,
                "last_step": 0.01,
                "alpha": 30.0,
            },
        },
        {
            DEFAULT: "one row a step, α = 0.01, 10 × 10,000 steps of 0.01",
            TUNED: "half of the data a step, α = 30, 10 × 40,000 steps of 0.01",
        },
    ),
    Sampler(
        "mean-field Gaussian (ADVI)",
        approximations.guide,
        "numpyro",
        "Kucukelbir et al. 2017",
        "approximate",
        {
            DEFAULT: {
                "kind": "AutoNormal",
                "steps": 5000,
                "rate": 0.01,
                "particles": 1,
                "draws": 2000,
            },
            TUNED: {
                "kind": "AutoNormal",
                "steps": 20_000,
                "rate": 0.003,
                "particles": 8,
                "draws": 2000,
            },
        },
        {
            DEFAULT: "Adam, 5,000 steps at rate 0.01, one draw a step",
            TUNED: "20,000 steps at 0.003, eight draws",
        },
    ),
    Sampler(
        "low-rank Gaussian",
        approximations.guide,
        "numpyro",
        "Ong, Nott and Smith 2018",
        "approximate",
        {
            DEFAULT: {
                "kind": "AutoLowRankMultivariateNormal",
                "steps": 5000,
                "rate": 0.01,
                "particles": 1,
                "draws": 2000,
            },
            TUNED: {
                "kind": "AutoLowRankMultivariateNormal",
                "steps": 20_000,
                "rate": 0.003,
                "particles": 8,
                "draws": 2000,
            },
        },
        {
            DEFAULT: "rank √parameters; Adam, 5,000 steps at rate 0.01, one draw a step",
            TUNED: "20,000 steps at 0.003, eight draws",
        },
    ),
    Sampler(
        "Pathfinder",
        approximations.pathfinder,
        "blackjax",
        "Zhang, Carpenter, Gelman and Vehtari 2022",
        "approximate",
        {
            DEFAULT: {"paths": 1, "draws": 2000},
            TUNED: {"paths": 20, "draws": 2000},
        },
        {DEFAULT: "one path", TUNED: "twenty paths, equally weighted"},
    ),
    Sampler(
        "SVGD",
        approximations.svgd,
        "blackjax",
        "Liu and Wang 2016",
        "approximate",
        {DEFAULT: {"particles": 200, "steps": 1000, "rate": 0.01}},
        {DEFAULT: "200 particles, Adam, 1,000 steps at rate 0.01"},
    ),
    Sampler(
        "Laplace",
        approximations.laplace,
        "benchmarks",
        "Immer, Korzepa and Bauer 2021",
        "approximate",
        {DEFAULT: {"layers": "all", "steps": 5000, "rate": 0.01, "draws": 2000}},
        {DEFAULT: "all weights, generalised Gauss–Newton, linearised predictions"},
    ),
    Sampler(
        "Laplace, last layer",
        approximations.laplace,
        "benchmarks",
        "Daxberger et al. 2021",
        "approximate",
        {DEFAULT: {"layers": "last", "steps": 5000, "rate": 0.01, "draws": 2000}},
        {DEFAULT: "weights and biases of the last layer"},
    ),
    Sampler(
        "deep ensemble",
        approximations.ensemble,
        "benchmarks",
        "Lakshminarayanan, Pritzel and Blundell 2017",
        "approximate",
        {
            DEFAULT: {"pull": "nothing", "decay": 0.0, "members": 500, "steps": 1000, "rate": 0.01},
            TUNED: {"pull": "prior", "decay": 0.01, "members": 500, "steps": 3000, "rate": 0.01},
        },
        {
            DEFAULT: "likelihood alone, Adam, 1,000 steps at rate 0.01; 500 members",
            TUNED: "with weight decay, 0.01 of the prior's, 3,000 steps",
        },
    ),
    Sampler(
        "anchored ensemble",
        approximations.ensemble,
        "benchmarks",
        "Pearce, Leibfried and Brintrup 2020",
        "approximate",
        {DEFAULT: {"pull": "start", "decay": 1.0, "members": 500, "steps": 3000, "rate": 0.01}},
        {DEFAULT: "weights pulled to their own prior draw, Adam, 3,000 steps; 500 members"},
    ),
    Sampler(
        "MC dropout",
        approximations.dropout,
        "benchmarks",
        "Gal and Ghahramani 2016",
        "approximate",
        {
            DEFAULT: {"probability": 0.5, "decay": 1.0, "steps": 5000, "rate": 0.01, "draws": 2000},
            TUNED: {
                "probability": 0.3,
                "decay": 0.01,
                "steps": 20_000,
                "rate": 0.003,
                "draws": 2000,
            },
        },
        {
            DEFAULT: "p = 0.5, weight decay by the prior, Adam, 5,000 steps at rate 0.01",
            TUNED: "p = 0.3, weight decay 0.01 of the prior's, 20,000 steps at 0.003",
        },
    ),
    Sampler(
        "infinite width (NNGP)",
        approximations.infinite_width,
        "bnnpost",
        "Lee et al. 2018",
        "approximate",
        {DEFAULT: {"draws": 2000}},
        {DEFAULT: "the Gaussian process in the network's place"},
    ),
    Sampler(
        "pCN (bnnpost)",
        chains.own_chain,
        "bnnpost",
        "Cotter, Roberts, Stuart and White 2013",
        "exact",
        {DEFAULT: {"method": "pcn", "num_samples": 1000}},
        {DEFAULT: "4 × 1,000 draws, in function space"},
    ),
    Sampler(
        "elliptical slice (bnnpost)",
        chains.own_chain,
        "bnnpost",
        "Murray, Adams and MacKay 2010",
        "exact",
        {DEFAULT: {"method": "elliptical_slice", "num_samples": 1000}},
        {DEFAULT: "4 × 1,000 draws, in function space"},
    ),
    Sampler(
        "HMC (bnnpost)",
        chains.own_chain,
        "bnnpost",
        "Shahbaba et al. 2014",
        "exact",
        {DEFAULT: {"method": "hmc", "num_samples": 1000}},
        {DEFAULT: "4 × 1,000 draws, by rotations in function space"},
    ),
    Sampler(
        "coupled chains (bnnpost)",
        chains.own_coupled,
        "bnnpost",
        "Biswas, Jacob and Vanetti 2019",
        "bounded",
        {DEFAULT: {"draws": 1000, "tolerance": 0.01}},
        {DEFAULT: "1,000 independent draws within 0.01 in total variation"},
    ),
    Sampler(
        "rejection (bnnpost)",
        chains.own_rejection,
        "bnnpost",
        "Hron et al. 2020",
        "exact",
        {DEFAULT: {"draws": 2000}},
        {DEFAULT: "2,000 exact draws, with another key than the reference's"},
    ),
)
