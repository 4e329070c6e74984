"""Entry point: commands are found by name and imported when used, so that --help is quick."""

import importlib

import click

# Command name → module that holds it as `command`.
_COMMANDS = ("sweep", "sample", "merge", "verify", "zoo", "forecast", "kernel", "info")

_EPILOG = """\b
Exit codes: 0 done · 1 bad data or files, or an error · 2 bad flags or configuration, or a
run refused as hopeless · 3 verify: the candidate fails · 4 max-proposals reached, partial result
kept · 5 some runs of a sweep failed or were refused, the others done · 130 interrupted."""


class _LazyGroup(click.Group):
    """A group whose commands live in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"bnnpost_cli.{cmd_name}").command
        return command


@click.group(cls=_LazyGroup, epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.version_option(package_name="bnnpost")
def main() -> None:
    """Exact posteriors of Bayesian neural networks, and how they approach their GP limit.

    \b
    Try:  bnnpost sweep --config diabetes --out runs/diabetes
    """


if __name__ == "__main__":
    main()
