"""Only public JAX, one door to each big dependency, no pickles, no global flag."""

import ast
import re

import pytest

from tests.structure import sources

FORBIDDEN = (
    "jax._src",
    "jax.core",
    "jax.config.update",
    "jax.random.PRNGKey",
    "equinox.internal",
    "pickle",
    "cloudpickle",
    "dill",
    "joblib",
)


def within(name, forbidden):
    return name == forbidden or name.startswith(forbidden + ".")


def resolved(tree):
    """Names used, with `import equinox as eqx` and `from jax import core` written out."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {a.asname: a.name for a in node.names if a.asname}
        elif isinstance(node, ast.ImportFrom):
            aliases |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    used = set()
    for name in sources.names_used(tree):
        first, dot, rest = name.partition(".")
        used.add(aliases.get(first, first) + dot + rest)
    return used


def offences(tree):
    """Forbidden names that the code uses; flags set by attribute or by numpy's pickles too."""
    found = {f for name in resolved(tree) for f in FORBIDDEN if within(name, f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found |= set() if ast.unparse(node.value) == "False" else {"allow_pickle"}
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(within(sources.dotted(target) or "", "jax.config") for target in targets):
                found.add("jax.config")
    return found


def files_importing(package):
    return {
        name
        for name, tree in sources.trees().items()
        if any(within(item.name, package) for item in sources.imports(tree))
    }


def test_no_forbidden_name():
    found = {module: offences(tree) for module, tree in sources.trees().items()}
    assert {module: names for module, names in found.items() if names} == {}


def test_arviz_has_one_door():
    assert files_importing("arviz") == {"bnnpost.draws.arviz_view"}


def test_numpyros_samplers_have_one_door():
    # Other ways in: `import numpyro` and its attribute, `from numpyro import infer`.
    users = {
        name
        for name, tree in sources.trees().items()
        if any(within(used, "numpyro.infer") for used in resolved(tree))
    }
    assert [name.rpartition(".")[0] for name in users] == ["bnnpost.samplers.kernels"]


def test_html_is_built_in_summaries_alone():
    parts = ("bnnpost.summaries.elements", "bnnpost.summaries.svg")
    users = set().union(*map(files_importing, parts))
    assert users == {"bnnpost.summaries.html_page", "bnnpost.summaries.svg"}
    written = re.compile(r"</\w+>|<(p|td|th|tr|li|ul|span|div|table)[ >]")
    elsewhere = {
        name
        for name, tree in sources.trees().items()
        if not name.startswith("bnnpost.summaries.")
        and any(
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and written.search(node.value)
            for node in ast.walk(tree)
        )
    }
    assert elsewhere == set()


@pytest.mark.parametrize(
    ("code", "offence"),
    [
        ("from jax._src import dtypes", "jax._src"),
        ("import jax\njax.core.Tracer", "jax.core"),
        ("from jax import core", "jax.core"),
        ("from jax.core import Tracer", "jax.core"),
        ("import jax\njax.config.update('jax_enable_x64', True)", "jax.config.update"),
        ("from jax import config\nconfig.update('jax_enable_x64', True)", "jax.config.update"),
        ("import jax\njax.config.jax_enable_x64 = True", "jax.config"),
        ("import jax\njax.random.PRNGKey(0)", "jax.random.PRNGKey"),
        ("import jax.random as jr\njr.PRNGKey(0)", "jax.random.PRNGKey"),
        ("import equinox as eqx\neqx.internal.while_loop", "equinox.internal"),
        ("def f():\n    import pickle", "pickle"),
        ("from pickle import dumps", "pickle"),
        ("import numpy as np\nnp.load('x', allow_pickle=True)", "allow_pickle"),
    ],
)
def test_forbidden_code_is_found(code, offence):
    assert offences(ast.parse(code)) == {offence}


def test_words_in_strings_and_comments_are_no_offence():
    code = "'jax.random.PRNGKey(0) is a legacy key'  # nor is jax.core\nimport jax\njax.enable_x64"
    assert offences(ast.parse(code)) == set()
