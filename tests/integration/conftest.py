"""Fixtures: root, the test users, the files, and servers that clean up after themselves."""
import itertools
import os
import resource
import shutil
import tempfile

import pytest

from itk2_testing import accounts, sites
from itk2_testing.configuration import Plan, Site, itk2_module
from itk2_testing.instance import Instance, adopt_orphans


def pytest_addoption(parser):
    parser.addoption("--server", choices=("itk2", "itk", "prefork"), default="itk2",
                     help="the server under test; itk and prefork prove the harness itself")


def pytest_configure(config):
    config.addinivalue_line("markers", "holds_for(kinds): the claim holds for these servers too")
    config.addinivalue_line("markers", "ratio: compares throughput within one run")
    if os.geteuid() == 0:
        adopt_orphans()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def pytest_collection_modifyitems(config, items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root: servers of many users"))
    server = config.getoption("--server")
    if server != "itk2":
        chosen = [item for item in items if server in getattr(item.get_closest_marker("holds_for"), "args", ())]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


@pytest.fixture(scope="session")
def kind(request):
    """The kind of server under test."""
    chosen = request.config.getoption("--server")
    if chosen == "itk2":
        itk2_module()
    return chosen


@pytest.fixture(scope="session")
def tree():
    """The test users and the files they serve."""
    accounts.ensure()
    root = tempfile.mkdtemp(prefix="itk2-test-", dir="/tmp")
    yield sites.Tree(root)
    if not os.environ.get("ITK2_KEEP"):
        shutil.rmtree(root, ignore_errors=True)


_numbers = itertools.count()


class Servers:
    """Makes servers; at the end stops each (which checks it) and lets no process of any stay."""

    def __init__(self, tree):
        self.tree, self.made = tree, []

    def make(self, plan):
        instance = Instance(plan, self.tree.root / f"{plan.kind}-{next(_numbers)}", self.tree)
        self.made.append(instance)
        return instance

    def start(self, kind, user_sites=2, **plan):
        """A running server whose sites v0.test, v1.test ... belong to the first test users."""
        plan.setdefault("sites", self.user_sites(user_sites))
        return self.make(Plan(kind, **plan)).start()

    def user_sites(self, count, **site):
        return [Site(f"v{number}.test", self.tree.docroot(user), f"{user.name} {user.name}", **site)
                for number, user in enumerate(accounts.accounts(count))]

    def end(self, check):
        try:
            if check:
                for instance in self.made:
                    instance.stop()
        finally:
            for instance in self.made:
                instance.destroy()


def _servers(request, tree):
    made = Servers(tree)
    yield made
    failed = getattr(request.node, "failed_body", False)
    made.end(check=not failed)


@pytest.fixture
def servers(request, tree):
    yield from _servers(request, tree)


@pytest.fixture(scope="module")
def module_servers(request, tree):
    """As servers, for servers that the tests of one file share."""
    yield from _servers(request, tree)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if call.when == "call" and report.failed:
        item.failed_body = True
        for instance in getattr(item.funcargs.get("servers"), "made", []):
            report.sections.append((f"error_log of {instance.plan.kind}", instance.log()[-4000:]))
