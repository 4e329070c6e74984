"""bnnpost sweep: a group of commands, of which run is meant where none is named."""

import difflib
from pathlib import Path

import click

from bnnpost_cli.lazy import LazyGroup


class _SweepGroup(LazyGroup):
    """Arguments without a command are those of run."""

    names = ("run", "status", "resume", "report")
    module = "bnnpost_cli.sweep_{}"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.names, *ctx.help_option_names):
            is_word = bool(args) and "." not in args[0] and not Path(args[0]).exists()
            close = difflib.get_close_matches(args[0], self.names, 1, 0.7) if is_word else []
            if close:
                ctx.fail(f"No such command {args[0]!r}. Did you mean {close[0]}?")
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_SweepGroup,
    subcommand_metavar="[run|status|resume|report] ...",
    short_help="Exact draws and their distance to the limit, over widths and grids of settings.",
)
def command() -> None:
    """Draw exactly from posteriors at several widths, and measure the distance to the limit.

    \b
    Example:  bnnpost sweep --config diabetes --out runs/diabetes
              bnnpost sweep --data wine.csv --target quality --widths 16,64,256 --out runs/wine

    Without a command it is `run`: "bnnpost sweep run --help" lists its settings.

    A configuration with a table [grid] runs the product of the values in it, each over all
    widths. The same command again, or resume, runs only what is missing.

    \b
              bnnpost sweep --config grid_depths --out runs/depths --jobs 2
              bnnpost sweep status runs/depths
              bnnpost sweep report runs/depths
    """
