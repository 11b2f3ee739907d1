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


def test_a_further_vhost_does_not_search_the_account_files(servers, kind, tmp_path):
    counts, few, many = [], 5, 100
    for number, count in enumerate((few, many)):
        users = accounts.accounts(count)
        sites = [Site(f"v{i}.test", servers.tree.docroot(user), f"{user.name} {user.name}")
                 for i, user in enumerate(users)]
        server = servers.make(Plan(kind, sites, php=False, tls=False))
        directory = tmp_path / str(number)
        directory.mkdir()
        counts.append(searches(server, directory))
    # Which ids of nobody's are tried depends on what else runs; what is per host is not there at all.
    assert 0 < counts[1] < counts[0] + (many - few) / 4, counts
