"""Entry point: commands are found by name and imported when used, so that --help is quick."""

import importlib

import click

from bnnpost_cli.failures import debuggable

# Command name → module that holds it as `command`.
_COMMANDS = (
    "new",
    "sweep",
    "sample",
    "merge",
    "verify",
    "zoo",
    "forecast",
    "kernel",
    "info",
    "completion",
)

_EPILOG = """\b
Exit codes: 0 done · 1 bad data or files, or an error · 2 bad flags or configuration, or a
run refused as hopeless · 3 verify: the candidate fails · 4 max-proposals reached, partial result
kept · 130 interrupted."""


class _LazyGroup(click.Group):
    """A group whose commands live in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return debuggable(importlib.import_module(f"bnnpost_cli.{cmd_name}").command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in _COMMANDS:
            from bnnpost.naming import unknown

            ctx.fail(unknown("command", args[0], list(_COMMANDS)))
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, epilog=_EPILOG, context_settings={"max_content_width": 100})
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
