"""Syntax trees are kept while these tests run; searches for garbage go through what is kept."""

import pytest

from tests.structure import sources


@pytest.fixture(autouse=True, scope="package")
def _trees():
    yield
    sources.trees.cache_clear()
