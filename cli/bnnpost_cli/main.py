"""Entry point: commands are found by name and imported when used, so that --help is quick."""

from types import MappingProxyType
from typing import Any

import click

from bnnpost.stopping import end_at_once
from bnnpost_cli.failures import INTERRUPTED, debuggable, reported
from bnnpost_cli.lazy import LazyGroup

_EPILOG = """\b
Exit codes: 0 done · 1 bad data or files, or an error · 2 bad flags or configuration, or a
run refused as hopeless · 3 verify: the candidate fails · 4 max-proposals reached, or coupled
chains that do not meet or come no nearer than the tolerance; what there is is kept · 5 some runs
of a sweep failed or were refused, the others done · 130 interrupted."""


class _Commands(LazyGroup):
    """The commands by their names."""

    names = (
        "new",
        "sweep",
        "sample",
        "merge",
        "predict",
        "verify",
        "zoo",
        "study",
        "forecast",
        "kernel",
        "report",
        "info",
        "completion",
    )
    beside = MappingProxyType({"merge": "sample"})

    def main(self, args: Any = None, *others: Any, **more: Any) -> Any:
        """As any group does, but that a process whose command was interrupted ends at once."""
        try:
            return super().main(args, *others, **more)
        except SystemExit as left:
            # With arguments of its own it is a call, and the process is the caller's.
            if args is None and left.code == INTERRUPTED:
                end_at_once(INTERRUPTED)
            raise

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As any group does; no file or directory has a name that any system would refuse."""
        for word in args:
            if "\0" in word:
                ctx.fail(f"expected words without null bytes, got {word[:80]!r}")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As any group does, with what goes wrong before a command begins reported as after."""
        with reported():
            return super().invoke(ctx)


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.version_option(package_name="bnnpost")
def main() -> None:
    """Exact posteriors of Bayesian neural networks, and how they approach their GP limit.

    \b
    Try:  bnnpost sweep --config diabetes --out runs/diabetes
          bnnpost new study.toml
          bnnpost COMMAND --help
    """


debuggable(main)

if __name__ == "__main__":
    main()
