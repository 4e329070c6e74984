"""What the Tab key offers for values: names that come with bnnpost, and files."""

import importlib.resources
from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

# What the library knows, again: loading it for a list would keep the Tab key waiting.
ACTIVATIONS = (
    *("identity", "relu", "leaky_relu", "ab_relu", "abs", "erf", "gelu", "sin", "cos", "rbf"),
    *("exp", "gaussian", "sign", "monomial", "polynomial", "tanh", "sigmoid", "softplus"),
)
LIKELIHOODS = (
    *("gaussian", "gaussian-unknown-noise", "student-t", "laplace"),
    *("bernoulli", "categorical", "poisson"),
)

Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _offered(names: Callable[[], Iterable[str]], files: bool) -> Completion:
    def complete(
        context: click.Context, parameter: click.Parameter, begun: str
    ) -> list[CompletionItem]:
        found = [CompletionItem(name) for name in names() if name.startswith(begun)]
        return [*found, *([CompletionItem(begun, type="file")] if files else [])]

    return complete


def _configurations() -> Iterable[str]:
    folder = importlib.resources.files("bnnpost.sweeps") / "problems"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir())


def _data_sets() -> Iterable[str]:
    from bnnpost import datasets

    return datasets.names()


def _references() -> Iterable[str]:
    from bnnpost import zoo

    return zoo.names()


configurations = _offered(_configurations, files=True)
data_sets = _offered(_data_sets, files=True)
references = _offered(_references, files=False)


def words(names: Iterable[str]) -> Completion:
    """Offers these."""
    return _offered(lambda: names, files=False)
