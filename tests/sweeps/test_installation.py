"""What `bnnpost info` says: every line fits a terminal, and JSON has the same names."""

import json

from bnnpost import datasets
from bnnpost.storage import versions
from bnnpost.sweeps.config import shipped_configs
from tests.cli.invocation import invoke


def test_names_and_versions_are_in_text_and_json():
    text, found = invoke("info").stdout, json.loads(invoke("info", "--json").stdout)
    assert max(map(len, text.splitlines())) <= 100
    assert found["data"] == list(datasets.names()) and found["versions"] == versions()
    assert found["configurations"] == list(shipped_configs())
    shown = " ".join(text.split())
    assert all(f"{name} {version}" in shown for name, version in found["versions"].items())
    assert all(name in shown for name in (*found["data"], *found["activations"]))
