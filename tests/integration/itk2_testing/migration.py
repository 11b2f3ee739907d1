"""What docs/MIGRATION.md says is different from mpm-itk: tests name its rows, and no row is named by no test."""
import re

from .configuration import REPOSITORY

PAGE = REPOSITORY / "docs" / "MIGRATION.md"
TESTS = REPOSITORY / "tests" / "integration"
_ROW = re.compile(r'^\| <a id="([a-z0-9-]+)"></a>([^|]+)\|([^|]+)\|([^|]+)\|$', re.M)


def rows():
    """{anchor: (what, mpm-itk's way, this one's)}"""
    return {found[1]: tuple(cell.strip() for cell in found.groups()[1:]) for found in _ROW.finditer(PAGE.read_text())}


def intended(anchor):
    """That this difference has its row. Gives the anchor."""
    assert anchor in rows(), f"docs/MIGRATION.md has no row {anchor}"
    return anchor


def named_by_tests():
    """The anchors that the tests' texts name, each by intended("...") or differs="..."."""
    return {anchor for path in TESTS.glob("test_*.py")
            for anchor in re.findall(r'(?:intended\(|differs=)"([a-z0-9-]+)"', path.read_text())}
