"""What the Tab key offers for values: names that come with bnnpost, and files."""

import importlib.resources
from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

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
