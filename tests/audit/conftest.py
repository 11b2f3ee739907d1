"""Fixtures: the servers, users and clients of tests/integration; servers of fakes with one wrong thing planted."""
import importlib.util
import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "integration"), str(TESTS.parent / "tools"), str(Path(__file__).parent)]


def _integration_fixtures():
    found = importlib.util.spec_from_file_location("integration_fixtures", TESTS / "integration" / "conftest.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


_shared = _integration_fixtures()
tree, servers, module_servers = _shared.tree, _shared.servers, _shared.module_servers
pytest_runtest_makereport = _shared.pytest_runtest_makereport
pytest_configure = _shared.pytest_configure

from planting import Server  # noqa: E402  (after the path to what it stands on)


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root: processes of many users"))


@pytest.fixture
def planted(tmp_path):
    """planted(place=function, ...): a server of fakes."""
    for path in (tmp_path, *tmp_path.parents):  # fakes of other users come in
        if path.stat().st_uid == os.getuid() and path not in (Path("/"), Path("/tmp")):
            path.chmod(path.stat().st_mode | 0o055)
    return lambda **plant: Server(tmp_path / "server", plant)
