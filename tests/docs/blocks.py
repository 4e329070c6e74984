"""The blocks of a Markdown page, run from the first to the last as a reader would.

A page's language of each block says what is done with it:

python   run, all blocks of a page in one namespace
console  each command run by bash, in the page's folder, with the real `bnnpost`; its exit code
         is 0, or the N of a comment `# exit code N`
output   compared with what the block before it printed: words, numbers to 2 %, … for anything
toml     read as a configuration
text     nothing: for what is no code

A block whose first line is a comment with a file's name is that file too: it is written into
the page's folder. An indented block is a console block.
"""

import contextlib
import io
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.python import PythonEvaluator

import bnnpost
from tests.printed import alike

ROOT = Path(bnnpost.__file__).parents[1]
LANGUAGES = ("python", "console", "output", "toml", "text")
# What a page may tell a reader to run and the tests do not: it installs, needs an
# accelerator, or runs the tests themselves. Nothing else is left out.
NOT_RUN = (
    "make",
    "nvidia-smi",
    "pip install",
    "python benchmarks/zoo.py",
    "python benchmarks/scoreboard.py",
)
SECONDS_A_COMMAND = 900

_FILE_NAME = re.compile(r"# ([\w./-]+\.[a-z]+)\n")
_EXIT_CODE = re.compile(r"#.*\bexit code (\d+)")


@dataclass(frozen=True)
class Block:
    """One block of code: its language, text and first line in the page."""

    language: str
    text: str
    line: int

    @property
    def file_name(self) -> str | None:
        """Of the file that it is, if it names one."""
        found = _FILE_NAME.match(self.text)
        return found[1] if found else None

    @property
    def commands(self) -> list[str]:
        """Of a console block; a line that ends in a backslash goes on in the next."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def blocks(text: str) -> list[Block]:
    """Every block of code of a page; directives of the site's builder are none."""
    found = []
    for token in MarkdownIt("commonmark").parse(text):
        language = token.info.strip()
        if token.type == "code_block":
            found.append(Block("console", token.content, token.map[0] + 1))
        elif token.type == "fence" and not language.startswith(("{", ":")):
            found.append(Block(language, token.content, token.map[0] + 2))
    return found


def directives(text: str) -> set[str]:
    """Names of the directives that are fences: what the site's builder is to make of them."""
    infos = {t.info.strip() for t in MarkdownIt("commonmark").parse(text) if t.type == "fence"}
    return {info[1 : info.index("}")] for info in infos if info.startswith("{")}


def is_run(command: str) -> bool:
    """Whether a command is run, and not only read."""
    return not any(command == head or command.startswith(head + " ") for head in NOT_RUN)


def examples(page: Path, folder: Path) -> Iterator[Example]:
    """A page's blocks as Sybil's examples, to be evaluated in turn in a folder of their own."""
    session = _Session(folder)

    def parse(document: Document) -> Iterator[Region]:
        starts = [0]
        for line in document.text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        for block in blocks(document.text):
            # Blocks of one line still need an end that is not their start.
            start = starts[block.line - 1]
            yield Region(start, start + 1, block, session.evaluate)

    document = Sybil(parsers=[parse]).parse(page)
    document.namespace["__name__"] = "__main__"  # warnings look for it
    return iter(document.examples())


class _Session:
    """What blocks of a page share: the folder, and what was printed last."""

    def __init__(self, folder: Path):
        self.folder, self.printed = folder, ""

    def evaluate(self, example: Example) -> str | None:
        block: Block = example.parsed
        if block.language not in LANGUAGES:
            return f"expected a language of {', '.join(LANGUAGES)}, got {block.language!r}"
        if block.file_name is not None:
            path = self.folder / block.file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        return getattr(self, f"_{block.language}")(example, block)

    def _python(self, example: Example, block: Block) -> str | None:
        example.parsed = _Lines(block.text)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            outcome = PythonEvaluator()(example)
        self.printed = printed.getvalue()
        return outcome

    def _console(self, example: Example, block: Block) -> str | None:
        printed = []
        for command in filter(is_run, block.commands):
            done = _ran(command, self.folder)
            said = _EXIT_CODE.search(command)
            expected = int(said[1]) if said else 0
            printed.append(done.stdout)
            if done.returncode != expected or "warning:" in done.stderr:
                return (
                    f"{command}\nexit code {done.returncode}, expected {expected} and no warnings\n"
                    f"{done.stdout}{done.stderr}"
                )
        self.printed = "".join(printed)
        return None

    def _output(self, example: Example, block: Block) -> str | None:
        if alike(block.text, self.printed):
            return None
        return f"expected the output\n{block.text}\ngot\n{self.printed}"

    def _toml(self, example: Example, block: Block) -> str | None:
        from bnnpost.sweeps import load_grid

        path = self.folder / (block.file_name or "block.toml")
        path.write_text(block.text, encoding="utf-8")
        load_grid(path, {})
        return None

    def _text(self, example: Example, block: Block) -> str | None:
        return None


def _ran(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command by bash; if it does not end, it is ended with all that it has started."""
    with subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=SECONDS_A_COMMAND)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


class _Lines(str):
    """The text of a block as Sybil's evaluator wants it."""

    line_offset = 0


def environment(folder: Path) -> dict[str, str]:
    """Variables for the blocks in a folder, of what they start too.

    `bnnpost` and `python` are this checkout's, wherever the shell is, and the folder's own bin/
    holds commands that a reader's machine has.
    """
    ours = folder.parent / f"{folder.name}-bin"
    ours.mkdir(parents=True, exist_ok=True)
    for name, arguments in (("bnnpost", "-m bnnpost"), ("python", "")):
        script = ours / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {
        "PATH": os.pathsep.join([str(ours), str(folder / "bin"), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "cli")]),
        "MPLBACKEND": "agg",
    }
