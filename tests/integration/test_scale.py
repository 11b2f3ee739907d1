"""What grows with the number of virtual hosts, counted: so that ten thousand of them start as they should."""
import re
import subprocess

from itk2_testing import accounts
from itk2_testing.configuration import Plan, Site


def searches(server, directory):
    """How often /etc/passwd and /etc/group are opened while the configuration is checked."""
    trace = directory / "trace"
    done = subprocess.run(["strace", "-f", "-e", "trace=openat", "-o", str(trace), *server.command("-t")],
                          env=server.environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return len(re.findall(r'"/etc/(?:passwd|group)"', trace.read_text()))


def test_many_vhosts_search_the_account_files_no_more_often_than_few(servers, kind, tmp_path):
    counts = []
    for number, count in enumerate((5, 100)):
        users = accounts.accounts(count)
        sites = [Site(f"v{i}.test", servers.tree.docroot(user), f"{user.name} {user.name}")
                 for i, user in enumerate(users)]
        server = servers.make(Plan(kind, sites, php=False, tls=False))
        directory = tmp_path / str(number)
        directory.mkdir()
        counts.append(searches(server, directory))
    assert counts[0] == counts[1] > 0, counts
