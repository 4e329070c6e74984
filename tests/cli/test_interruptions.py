"""Ctrl-C while NUTS computes: the process ends as documented, and does not crash.

benchmarks/interruptions.py does the same 60 times, beside a process whose interpreter is torn down.
A crash of one in six is missed by twelve moments with probability 0.11.
"""

import pytest

from benchmarks import interruptions
from tests import processes


@pytest.mark.slow
def test_chains_end_with_130_at_any_moment(tmp_path):
    found = interruptions.outcomes("nuts", interruptions.BNNPOST, tmp_path, 12)
    assert {one.what for one in found} == {"interrupted"}, found


LEAVE = """
import atexit, sys
from bnnpost_cli import failures, main
atexit.register(print, "torn down")
command = main.main.get_command(None, "info")
command.callback = lambda **given: failures._leave("interrupted", {code})
sys.argv[1:] = ["info"]
print("said", end="")
main.main({arguments})
"""


def left(code, arguments=""):
    process = processes.start("-c", LEAVE.format(code=code, arguments=arguments))
    out, err = process.communicate(timeout=60)
    assert process.returncode == code and err == "bnnpost: interrupted\n"
    return out


def test_an_interrupted_process_ends_without_tearing_down_the_interpreter():
    assert left(130) == "said"


def test_other_ends_and_calls_are_the_interpreters_own():
    assert left(1) == "saidtorn down\n"
    assert left(130, '["info"]') == "saidtorn down\n"
