"""Fixtures: two servers of the same sites, mpm-itk and the one under test, with the same attacks built into both.

The servers, users and clients are those of tests/integration.
"""
import importlib.util
import os
import sys
from pathlib import Path

import pytest

INTEGRATION = Path(__file__).resolve().parents[1] / "integration"
sys.path[:0] = [str(INTEGRATION), str(Path(__file__).parent)]


def _integration_fixtures():
    found = importlib.util.spec_from_file_location("integration_fixtures", INTEGRATION / "conftest.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


_shared = _integration_fixtures()
tree, module_servers, servers = _shared.tree, _shared.module_servers, _shared.servers
pytest_runtest_makereport = _shared.pytest_runtest_makereport
pytest_configure = _shared.pytest_configure

from attacking import Native, Secrets, plan, started  # noqa: E402  (after the path to what it stands on)


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root: servers of many users"))


@pytest.fixture(scope="session")
def native(tree):
    return Native(tree.root / "native")


@pytest.fixture(scope="session")
def found(tree):
    return Secrets(tree.root / "secrets")


@pytest.fixture(scope="module")
def itk(module_servers, native, found):
    """Stock prefork + mpm-itk: where an attack that is worth the name succeeds."""
    return started(module_servers, plan("itk", native), native, found)


@pytest.fixture(scope="module")
def itk2(module_servers, native, found):
    return started(module_servers, plan("itk2", native), native, found)
