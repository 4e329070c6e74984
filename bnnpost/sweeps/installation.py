"""What there is to say of an installation: versions, devices, and the names that flags take."""

import sys

import jax

from bnnpost import datasets
from bnnpost.likelihoods.records import known
from bnnpost.networks import catalogue
from bnnpost.storage import versions
from bnnpost.summaries.summary import Fact, Facts, Section, Summary
from bnnpost.sweeps.config import shipped_configs


def summary_of_installation() -> Summary:
    """Return versions, devices, and the names of what there is."""
    packages = versions()
    devices = [f"{device.platform} ({device.device_kind})" for device in jax.devices()]
    facts = (
        Fact("python", "python", sys.version.split()[0]),
        Fact("versions", "versions", packages),
        Fact("devices", "devices", devices),
        Fact("x64 flag", "x64 flag", jax.config.read("jax_enable_x64")),
        Fact("data", "data", list(datasets.names())),
        Fact("activations", "activations", list(catalogue.names())),
        Fact("likelihoods", "likelihoods", list(known())),
        Fact("configurations", "configurations", list(shipped_configs())),
    )
    return Summary(
        title="bnnpost",
        kind="Installation",
        headline=f"bnnpost {packages.get('bnnpost', '')} on {devices[0]}.",
        sections=(Section("Installation", "installation", (Facts("", facts),), brief=True),),
    )
