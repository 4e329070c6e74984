"""What importing the library does to the interpreter it is imported into."""

import pytest

import bnnpost
from tests import processes
from tests.structure.sources import PACKAGE

IMPORT = """
import sys
import jax
jax.config.update("jax_enable_x64", {before})
import bnnpost
print(jax.config.jax_enable_x64, "arviz" in sys.modules, "numpyro" in sys.modules)
"""

AFTER_ARVIZ = """
import warnings
warnings.simplefilter("ignore")
import arviz
{user}
import numpy
import bnnpost
likelihood = bnnpost.likelihoods.Bernoulli()
network = bnnpost.mlp(width=2, num_outputs=1)
posterior = bnnpost.Posterior(network, likelihood, numpy.eye(2), numpy.array([[0.0], [1.0]]))
model = bnnpost.hmc.model(posterior)
import numpyro
print(list(numpyro.handlers.trace(numpyro.handlers.seed(model, 0)).get_trace())[-1])
print(hasattr(numpyro.distributions, "distribution"))
"""


@pytest.mark.first
@pytest.mark.parametrize("before", [False, True])
def test_import_leaves_the_x64_flag_and_loads_no_arviz(before):
    # In a process of its own: here the library is imported already.
    said = processes.output("-c", IMPORT.format(before=before)).split()
    assert said == [str(before), "False", "False"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "user",
    [
        "",
        pytest.param("import numpyro.distributions", marks=pytest.mark.slow),
        pytest.param("import numpyro.infer", marks=pytest.mark.slow),
    ],
)
def test_arviz_may_be_imported_before_numpyro(user):
    # ArviZ 1 leaves a numpyro that loads when first used: hmc.py's models work whichever way a
    # user loads it, and do not load it in the way that breaks the user's own models.
    last_site, whole = processes.output("-c", AFTER_ARVIZ.format(user=user)).split()
    assert last_site == "y"
    if not user:
        assert whole == "True"


NAMES_IN_TURN = """
import sys
import bnnpost
print("jax" in sys.modules)
bnnpost.verify
print("jax" in sys.modules, "bnnpost.verification.teacher" in sys.modules)
bnnpost.calibrate
print("bnnpost.verification.teacher" in sys.modules)
"""


@pytest.mark.slow
def test_names_are_looked_up_when_used():
    """And each with what it needs alone: a verdict on draws needs no networks that teach."""
    said = processes.output("-c", NAMES_IN_TURN).split()
    assert said == ["False", "True", "False", "True"]


@pytest.mark.parametrize("package", [bnnpost, bnnpost.samplers, bnnpost.sweeps, bnnpost.zoo])
def test_every_public_name_is_there(package):
    assert package.__all__
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = package.no_such_name


def test_every_room_is_an_attribute():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms <= set(bnnpost.__all__)
