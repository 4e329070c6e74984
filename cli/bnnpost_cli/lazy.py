"""Groups whose commands live in modules of their own, imported when a command is used."""

import importlib
from collections.abc import Mapping
from types import MappingProxyType

import click

from bnnpost_cli.failures import debuggable


class LazyGroup(click.Group):
    """A group whose subclass names its commands, and the modules they are in.

    names: the commands, in the order of the help. module: of a command, "{}" for its name; there it
    is called `command`, or by its name. beside: commands in the module of another.
    """

    names: tuple[str, ...] = ()
    module = "bnnpost_cli.{}"
    beside: Mapping[str, str] = MappingProxyType({})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.names:
            return None
        home = self.beside.get(cmd_name, cmd_name)
        module = importlib.import_module(self.module.format(home))
        return debuggable(getattr(module, "command", None) or getattr(module, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.names:
            from bnnpost.naming import unknown

            ctx.fail(unknown("command", args[0], list(self.names)))
        return super().resolve_command(ctx, args)
