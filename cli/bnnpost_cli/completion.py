"""bnnpost completion: the script by which a shell completes commands and flags."""

import click
from click.shell_completion import get_completion_class

_STARTUP = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/config.fish"}
_LINE = {
    "bash": 'eval "$(bnnpost completion bash)"',
    "zsh": 'eval "$(bnnpost completion zsh)"',
    "fish": "bnnpost completion fish | source",
}
_VARIABLE = "_BNNPOST_COMPLETE"


@click.command(short_help="The script that completes commands and flags in your shell.")
@click.argument("shell", type=click.Choice(tuple(_STARTUP)))
def command(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    Example:  eval "$(bnnpost completion bash)"
              eval "$(bnnpost completion zsh)"
              bnnpost completion fish | source

    With that line in the shell's start-up file, the Tab key completes commands, flags, shipped
    configurations, data sets and reference posteriors.
    """
    from bnnpost_cli.main import main

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(f"# In {_STARTUP[shell]}: {_LINE[shell]}")
    click.echo(kind(main, {}, "bnnpost", _VARIABLE).source())
