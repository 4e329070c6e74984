"""docs/scoreboard.md, made of the results."""
# ruff: noqa: E501 (a page of the documentation has longer lines)

from collections.abc import Iterator, Sequence
from typing import Any

from _scoreboard_samplers import DEFAULT, SAMPLERS, Sampler
from scoreboard import LEVEL, POSTERIORS, worst_of

from bnnpost.verification.effects import MEAN, Effect

Result = dict[str, Any]
PASS, COPIES = "✓", "copies"
SHORT = {
    "not applicable": "—",
    "failed": "broke",
    "refused": "too few",
    "out of time": "time",
}
AIMS = {
    "exact": "converges to the posterior",
    "bounded": "a stated distance from it",
    "approximate": "an approximation",
}

HEAD = """# Scoreboard: who draws from the posterior

Samplers and approximations that people use for Bayesian neural networks, as they use them, on nine small posteriors of
{doc}`zoo` whose answer is known from ten thousand exact draws each. {py:func}`bnnpost.verify` gives the verdicts, at a level
of %(level)g: one right sampler in a hundred fails by chance. This page is made from `docs/scoreboard.jsonl`, which the script
wrote; %(made)s.

```console
python benchmarks/scoreboard.py run                       # what is not there yet: hours
python benchmarks/scoreboard.py own my_sampler.py:draw    # yours beside them
```

A sampler of yours is a function `draw(key, posterior, x_test)` that returns what `bnnpost.verify` takes: parameters stacked over
draws or chains, vectors of `posterior.flat(key)`, or function values. {doc}`how-to/sampler` has examples.

## The verdicts

%(posteriors)s.

✓: passes, no difference found. Otherwise how far off the draws are at the test input where it shows most: the mean, in
posterior standard deviations, and the standard deviation over the posterior's (×0.5: half as wide). †: only at the training
inputs, or in something else than mean and standard deviation. *too few*: the chains moved so slowly that fewer than fifty
draws are as good as independent; *copies*: many draws are equal, which those of a density are not; —: does not apply, for the reason
given below; *broke*: no finite draws came back; *time*: more than ten minutes.
"""

MIDDLE = """
A sampler that passes has not been shown to be right: small errors hide behind few effective draws, which the tables below
give. What passes with default settings at five points may fail at fifty. Those that fail are not bad methods: an ensemble
is not meant to have the posterior's law, and minibatches are not meant for five rows of data. The table says whether
their draws may stand in for the posterior's, and these posteriors are easy ones.

## What was run

Settings called *default* are those of the package, or of the paper where the package has none; *tuned* ones were chosen by hand
on `diabetes-erf-1x64`, and then used everywhere. Chains are four, from prior draws.
"""


def written(results: Sequence[Result]) -> str:
    """The page."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Sequence[Result]) -> Iterator[str]:
    found = {(r["sampler"], r["setting"], r["posterior"]): r for r in results}
    named = "; ".join(f"{words}: `{name}`" for name, words in POSTERIORS.items())
    yield HEAD % {"level": LEVEL, "made": _made(results), "posteriors": named}
    yield from _summary(found)
    yield MIDDLE
    yield from _settings()
    yield ""
    yield from _reasons(results)
    for posterior in POSTERIORS:
        yield from _posterior(posterior, found)


def _made(results: Sequence[Result]) -> str:
    """With what, and when."""
    versions = results[0].get("versions") or next(r["versions"] for r in results if "versions" in r)
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    processors = sorted({r["processor"] for r in results if "processor" in r})
    total = sum(r.get("elapsed", 600.0) for r in results) / 3600
    last = max(r["date"] for r in results)
    return (
        f"{len(results)} runs, {total:.1f} hours of one core of {' and '.join(processors)}, with "
        f"{packages}; the last on {last}"
    )


def _rows() -> Iterator[tuple[Sampler, str]]:
    for sampler in SAMPLERS:
        for setting in sampler.settings:
            yield sampler, setting


def _name(sampler: Sampler, setting: str) -> str:
    return sampler.name if setting == DEFAULT else f"{sampler.name}, {setting}"


def _summary(found: dict[tuple[str, str, str], Result]) -> Iterator[str]:
    yield f"| | passes | {' | '.join(POSTERIORS.values())} |"
    yield f"|---|{'---|' * (len(POSTERIORS) + 1)}"
    for sampler, setting in _rows():
        held = [found.get((sampler.name, setting, posterior)) for posterior in POSTERIORS]
        cells = ["" if one is None else _cell(one) for one in held]
        of = [one for one in held if one and one["outcome"] != "not applicable"]
        passed = sum(one["outcome"] == "passed" for one in of)
        yield f"| {_name(sampler, setting)} | {passed}/{len(of)} | {' | '.join(cells)} |"


def _cell(result: Result) -> str:
    outcome = result["outcome"]
    if outcome == "passed":
        return PASS
    if outcome in SHORT:
        return COPIES if "repeat others" in result.get("why", "") else SHORT[outcome]
    at_tests = [effect for effect in worst_of(result, "f[") if effect.clear]
    if at_tests:
        return ", ".join(_size(effect) for effect in at_tests)
    anywhere = [effect for effect in worst_of(result) if effect.clear]
    return f"{', '.join(_size(effect) for effect in anywhere) or 'shape'} †"


def _size(effect: Effect) -> str:
    if effect.kind == MEAN:
        return f"{abs(effect.size):.2g}"
    return f"×{effect.size:.{3 if 0.9 < effect.size < 10 else 2}g}"


def _settings() -> Iterator[str]:
    yield "| | code | aim | source | default | tuned |"
    yield "|---|---|---|---|---|---|"
    for s in SAMPLERS:
        words = " | ".join(s.words.get(name, "") for name in ("default", "tuned"))
        yield f"| {s.name} | {s.package} | {AIMS[s.aim]} | {s.source} | {words} |"


def _reasons(results: Sequence[Result]) -> Iterator[str]:
    """Why a cell has no sizes."""
    told = sorted(
        {
            (r["sampler"], r["outcome"], r["why"])
            for r in results
            if r["outcome"] == "not applicable"
        }
    )
    for sampler, _, why in told:
        yield f"- {sampler} {why}."
    yield ""


def _posterior(posterior: str, found: dict[tuple[str, str, str], Result]) -> Iterator[str]:
    yield f"## {posterior}"
    yield ""
    yield "| | verdict | mean off | std over the posterior's | draws | effective | seconds |"
    yield "|---|---|---|---|---|---|---|"
    for sampler, setting in _rows():
        result = found.get((sampler.name, setting, posterior))
        if result is not None and result["outcome"] != "not applicable":
            yield f"| {_name(sampler, setting)} | {' | '.join(_details(result))} |"
    yield ""


def _details(result: Result) -> Iterator[str]:
    outcome = result["outcome"]
    yield "fails" if outcome == "failed checks" else _cell(result)
    effects = worst_of(result)
    yield from (_interval(effect) for effect in effects) if effects else iter(("", ""))
    yield f"{result['draws']:,}" if "draws" in result else ""
    yield f"{result['effective']:,.0f}" if "effective" in result else ""
    yield f"{result['seconds']:.0f}" if "seconds" in result else ""


def _interval(effect: Effect) -> str:
    sign = "" if effect.kind == MEAN else "×"
    scores = " (scores)" if effect.of_scores else ""
    return f"{sign}{effect.size:.3g} [{effect.low:.3g}, {effect.high:.3g}]{scores}"
