"""Running the command line, in this process and in one of its own."""

from click.testing import CliRunner

from bnnpost_cli.main import main
from tests import processes


def invoke(*arguments):
    """In this process; stdout, stderr and the exit code."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


def start(*arguments, **options):
    """In a process of its own, to be sent signals."""
    return processes.start("-m", "bnnpost_cli.main", *arguments, **options)
