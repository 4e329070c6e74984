"""Every block of code in README.md and docs/ runs, and what runs them finds what is wrong."""

import pkgutil
import re
import shutil

import pytest

from tests.docs.blocks import LANGUAGES, ROOT, blocks, directives, environment, examples, is_run
from tests.printed import alike

# Files of a reader's own, which a page needs: a folder for each page of that name.
BROUGHT = ROOT / "tests" / "docs" / "brought"
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [
    pytest.param(ROOT / "README.md", id="README", marks=pytest.mark.slow),
    *(
        pytest.param(page, id=page.relative_to(ROOT).as_posix(), marks=pytest.mark.slow)
        for page in DOCS
        if blocks(page.read_text(encoding="utf-8"))
    ),
]
# Fences that the site's builder reads; none of them shows code.
DIRECTIVES = {"bibliography", "command-reference", "configuration-keys", "eval-rst", "include"}
DIRECTIVES |= {"image", "math", "toctree"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "page"
    folder.mkdir()
    for name, value in environment(folder).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    return folder


def run(page, folder):
    """Evaluate a page's blocks beside the files that its readers bring; how many there were."""
    brought = BROUGHT / page.stem
    if brought.exists():
        shutil.copytree(brought, folder, dirs_exist_ok=True)
    whole = list(examples(page, folder))
    for example in whole:
        example.evaluate()
    return len(whole)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page, folder):
    assert run(page, folder) == len(blocks(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS], ids=lambda page: page.name)
def test_nothing_is_left_out_silently(page):
    text = page.read_text(encoding="utf-8")
    assert directives(text) <= DIRECTIVES
    for block in blocks(text):
        assert block.language in LANGUAGES, f"line {block.line}"
        if block.language == "text":
            assert "bnnpost " not in block.text.split("\n")[0] and "import " not in block.text


@pytest.mark.parametrize(
    ("command", "run"),
    [
        ("bnnpost sweep", True),
        ("python -m bnnpost", True),
        ("python mine.py", True),
        ("makeup", True),
        ("make test", False),
        ("pip install bnnpost", False),
    ],
)
def test_only_what_installs_or_needs_much_is_not_run(command, run):
    assert is_run(command) is run


WRONG = {
    "python that raises": ("```python\n1 / 0\n```", "division by zero"),
    "python that warns": ("```python\nimport warnings\nwarnings.warn('!')\n```", "!"),
    "a name of no block before": ("```python\nprint(absent)\n```", "'absent' is not defined"),
    "a command that fails": ("```console\nbnnpost info --absent\n```", "exit code 2, expected 0"),
    "an indented command": ("Text.\n\n    false\n", "exit code 1, expected 0"),
    "another exit code than said": ("```console\nfalse    # exit code 3\n```", "1, expected 3"),
    "the second command": ("```console\ntrue\nfalse\n```", "exit code 1, expected 0"),
    "a command that warns": (
        "```console\necho 'bnnpost: warning: !' >&2\n```",
        "code 0, expected 0 and no warnings",
    ),
    "other output": ("```python\nprint(1.0)\n```\n```output\n1.1\n```", "got\n1.0"),
    "no output": ("```python\n```\n```output\n1.1\n```", "output\n1.1"),
    "a key that there is not": ("```toml\nwidht = 3\n```", "widht"),
    "no toml": ("```toml\nwidth\n```", "block.toml"),
    "a language that there is not": ("```bash\ntrue\n```", "got 'bash'"),
    "no language": ("```\nbnnpost\n```", "got ''"),
    "a block in a list": ("1. Text\n\n   ```python\n   1 / 0\n   ```\n", "division by zero"),
}


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_found(text, words, folder, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(Exception, match=words):
        run(page, folder)


RIGHT = """
# A page

```toml
# layers.toml
widths = [4]
```

```python
# module.py
value = 1.2345
print("about", value, "or [2, 3] in 0.3 s")
```

```output
about 1.23 or [2, 3] in …
```

```python
import subprocess
subprocess.run(["bnnpost", "--version"], check=True)
```

```console
test -f layers.toml    # found
python -c 'import module' \\
  && exit 3    # exit code 3
make test
```

    bnnpost --version

```text
anything
```
"""


def test_what_is_right_passes(folder, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(RIGHT, encoding="utf-8")
    assert run(page, folder) == 7
    assert sorted(path.name for path in folder.glob("*.*")) == ["layers.toml", "module.py"]


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("1.00", "1.01", True),
        ("1.00", "1.03", False),
        ("-2", "2", False),
        ("1,000 draws", "1003 draws", True),
        ("a … b", "a 1 2 b", True),
        ("a … b", "a 1 2", False),
        ("[1, 2]", "[1,\n 2]", True),
        ("2e-6.", "2e-6.", True),
        ("+12%", "12.1%", True),
        ("+12%", "13%", False),
    ],
)
def test_outputs_are_compared_by_words_and_numbers(expected, got, same):
    assert alike(expected, got) is same


FILES = re.compile(r"(?<![\w/])(?:tests|benchmarks|notebooks|docs|bnnpost)/[\w./-]+\.\w+")
NAMES = re.compile(r"`bnnpost\.([\w.]+)(?:\(.*?\))?`")


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS], ids=lambda page: page.name)
def test_files_and_names_in_the_text_exist(page):
    text = page.read_text(encoding="utf-8")
    named = [file for file in FILES.findall(text) if "NAME" not in file]
    assert [file for file in named if not (ROOT / file).exists()] == []
    for name in NAMES.findall(text):
        pkgutil.resolve_name(f"bnnpost.{name}")  # raises where there is none
