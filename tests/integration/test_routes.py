"""The route table gives httpd's own answer: a plain httpd judges it, see route_judge/mod_route_judge.cc."""
import os
import random
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.holds_for("itk2")

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "server" / "mpm" / "itk2"
PLAN = ("first_bytes", "client_hello", "http_head", "route_chain", "route_table", "route_table_builder")


def output_of(*command):
    return subprocess.run(command, check=True, text=True, capture_output=True, timeout=60).stdout.strip()


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """The judge's module, made for the httpd that is installed."""
    module = tmp_path_factory.mktemp("judge") / "mod_route_judge.so"
    subprocess.run(
        ["c++", "-std=c++20", "-O1", "-fPIC", "-shared", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden",
         "-DAP_HAVE_DESIGNATED_INITIALIZER", "-D_GNU_SOURCE", f"-I{HERE}/route_judge", f"-I{SOURCE}",
         f"-I{output_of('apxs', '-q', 'INCLUDEDIR')}", f"-I{output_of('apxs', '-q', 'APR_INCLUDEDIR')}",
         f"{HERE}/route_judge/mod_route_judge.cc", f"{HERE}/route_judge/questions.cc", f"{SOURCE}/httpd/routes.cc",
         *(f"{SOURCE}/plan/{name}.cc" for name in PLAN), "-o", str(module)], check=True, timeout=300)
    return module


@pytest.fixture
def verdict(judge, tmp_path):
    """Lets the judge compare under this configuration; returns the numbers and the lines of its verdict."""
    def ask(configuration, **environment):
        conf, output = tmp_path / "httpd.conf", tmp_path / "verdict"
        libexec = output_of("apxs", "-q", "LIBEXECDIR")
        prefork = f"LoadModule mpm_prefork_module {libexec}/mod_mpm_prefork.so\n"
        conf.write_text(f"ServerRoot {tmp_path}\nServerName main.example\nErrorLog {tmp_path}/error_log\n"
                        + (prefork if Path(libexec, "mod_mpm_prefork.so").exists() else "")
                        + f"LoadModule route_judge_module {judge}\n{configuration}\n")
        server = f"{output_of('apxs', '-q', 'SBINDIR')}/{output_of('apxs', '-q', 'PROGNAME')}"
        subprocess.run([server, "-t", "-f", str(conf)], check=True, capture_output=True, text=True, timeout=300,
                       env={**os.environ, "ROUTE_JUDGE_OUTPUT": str(output), **environment})
        text = output.read_text(errors="replace")
        return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", text.splitlines()[0])}, text
    return ask


def vhost(addresses, name=None, *lines):
    server_name = [f"ServerName {name}"] if name else []
    return "\n".join([f"<VirtualHost {addresses}>", *server_name, *lines, "</VirtualHost>"])


def listen(*sockets):
    return "".join(f"Listen {socket}\n" for socket in sockets)


def joined(*parts):
    return "\n".join(parts)


NAMED = joined(listen("80", "443"), vhost("*:80", "one.example"),
               vhost("*:80", "two.example", "ServerAlias also.example"),
               vhost("*:443", "two.example"), vhost("*:443", "One.Example", "ServerAlias 192.0.2.1 [2001:db8::1]"),
               vhost("*:80", "two.example", "ServerAlias three.example"))

CONFIGURATIONS = {
    "no_vhost": listen("80"),
    "one_vhost": joined(listen("80"), vhost("*:80", "one.example")),
    "name_based": NAMED,
    "name_based_unsafe": joined("HttpProtocolOptions Unsafe", NAMED),
    "name_based_strict_host_check": joined("StrictHostCheck On", NAMED),
    "ip_based": joined(listen("80"), *(vhost(f"192.0.2.{n}", f"v{n}.example") for n in range(1, 9))),
    "ip_based_beside_names": joined(listen("80", "81"), vhost("192.0.2.1:80", "one.example"),
                                    vhost("*:80", "two.example"),
                                    vhost("*:80", "three.example"), vhost("192.0.2.2:80", "four.example"),
                                    vhost("192.0.2.2:80", "five.example")),
    "any_port": joined(listen("80", "81", "82"), vhost("*:*", "any.example"), vhost("*:80", "one.example"),
                       vhost("*:*", "more.example"), vhost("192.0.2.1:*", "two.example"),
                       vhost("192.0.2.1:81", "three.example"),
                       vhost("192.0.2.1:*", "four.example"), vhost("192.0.2.1:81", "five.example")),
    "default": joined(listen("80", "81"), vhost("_default_:80", "one.example"), vhost("_default_:80", "two.example"),
                      vhost("_default_:*", "three.example"), vhost("192.0.2.1", "four.example")),
    "several_addresses": joined(listen("80", "81"), vhost("192.0.2.1:80 192.0.2.2:80 192.0.2.1:81", "one.example"),
                                vhost("192.0.2.1:80 *:81", "two.example"),
                                vhost("192.0.2.2 192.0.2.1:*", "three.example"),
                                vhost("*:81 192.0.2.1:81", "four.example")),
    "ipv6": joined(listen("[::]:80"), vhost("[2001:db8::1]:80", "one.example"),
                   vhost("[2001:db8::1]:80", "two.example"),
                   vhost("[::]:80", "three.example"), vhost("0.0.0.0:80 [::]:80", "four.example"),
                   vhost("[::ffff:192.0.2.1]:80 192.0.2.1:80", "five.example", "ServerAlias 2001:db8::1 ::1"),
                   vhost("192.0.2.1:80", "six.example")),
    "address_names": joined("HttpProtocolOptions Unsafe", listen("80", "81"),
                            vhost("localhost:80 127.0.0.1:*", "one.example"),
                            vhost("LOCALHOST:80", "two.example"), vhost("localhost:*", "three.example"),
                            vhost("localhost:* 127.0.0.1:80", "four.example", "ServerAlias 127.0.0.1"),
                            vhost("*:80 _default_:80", "five.example"), vhost("_default_:80 *:80", "six.example")),
    "wildcards": joined("HttpProtocolOptions Unsafe", listen("80"), vhost("*:80", "one.example"),
                        vhost("*:80", "two.example", "ServerAlias *.two.example t*o.* ?wo.example"),
                        vhost("*:80", "x.two.example", "ServerAlias *.*.example a*b?c *.example"),
                        vhost("*:80", "deep.x.two.example", "ServerAlias *.x.two.example **.stars *"),
                        vhost("*:80", "never.example")),
    "server_path": joined(listen("80"), vhost("*:80", "one.example"), vhost("*:80", "two.example", "ServerPath /two"),
                          vhost("*:80", "three.example", "ServerPath /two/three/"),
                          vhost("*:80", "four.example", "ServerPath /t"),
                          vhost("*:80", "five.example", "ServerPath /")),
    "names_left_out": joined(listen("80"), vhost("127.0.0.1:80 *:80"), vhost("*:80"), vhost("127.0.0.1:80")),
    "bound_sockets": joined(listen("127.0.0.1:80", "127.0.0.2:80", "[::1]:81"), vhost("127.0.0.1:80", "one.example"),
                            vhost("127.0.0.2:80", "two.example"), vhost("*:81", "three.example")),
}


def random_configuration(seed):
    chance = random.Random(seed)
    names = [f"{a}{b}" for a in ("a", "b", "www.a", "x.b", "A") for b in (".example", ".test", "")]
    patterns = ["*.example", "*.a.example", "?.test", "*", "a*", "*b*e", "www.*", "*.b.*"]
    hosts = ["*", "_default_", "192.0.2.1", "192.0.2.2", "[2001:db8::1]", "[::ffff:192.0.2.2]", "localhost",
             "0.0.0.0", "[::]"]
    parts = [f"HttpProtocolOptions {chance.choice(('Strict', 'Unsafe'))}", listen("80", "81")]
    for _ in range(chance.randint(1, 25)):
        named = [chance.choice(hosts) + chance.choice((":80", ":81", ":*", "")) for _ in range(chance.randint(1, 3))]
        addresses = " ".join(named)
        lines = []
        if chance.random() < 0.5:
            aliases = chance.sample(names, chance.randint(1, 4)) + chance.sample(patterns, chance.randint(0, 2))
            lines.append("ServerAlias " + " ".join(aliases))
        if chance.random() < 0.2:
            lines.append(f"ServerPath {chance.choice(('/a', '/a/b/', '/b', '/'))}")
        parts.append(vhost(addresses, chance.choice(names), *lines))
    return joined(*parts)


def ten_thousand_vhosts():
    return joined(listen("80", "443"), *(vhost("*:80 *:443", f"v{n}.example",
                                               f"ServerAlias www.v{n}.example *.sub.v{n}.example")
                                         for n in range(10000)))


def ten_thousand_addresses():
    return joined(listen("80", "443"), *(vhost(f"10.0.{n // 256}.{n % 256}:80 10.0.{n // 256}.{n % 256}:443",
                                               f"v{n}.example")
                                         for n in range(10000)))


def assert_agreed(found, at_least):
    numbers, text = found
    assert numbers["mismatches"] == 0, text
    assert numbers["compared"] >= at_least, text


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_table_answers_as_httpd(verdict, name):
    assert_agreed(verdict(CONFIGURATIONS[name]), at_least=500)


@pytest.mark.parametrize("seed", range(40))
def test_table_answers_as_httpd_for_configurations_made_by_chance(verdict, seed):
    assert_agreed(verdict(random_configuration(seed), ROUTE_JUDGE_LIMIT="30000"), at_least=500)


@pytest.mark.parametrize("configuration", (ten_thousand_vhosts, ten_thousand_addresses))
def test_ten_thousand_vhosts_are_compiled_as_httpd_reads_them(verdict, configuration):
    found = verdict(configuration(), ROUTE_JUDGE_LIMIT="20000")
    assert_agreed(found, at_least=5000)


def test_wrong_table_is_noticed(verdict):
    numbers, text = verdict(NAMED, ROUTE_JUDGE_SABOTAGE="1")
    assert numbers["mismatches"] > 0, text
    assert "another vhost" in text


def test_table_says_which_sockets_wait_for_no_client(verdict):
    """AcceptFilter: a protocol that is not http's waits for the client only where a filter for data is set."""
    _, text = verdict(joined("AcceptFilter smtp data", "AcceptFilter nntp none", "AcceptFilter http none",
                             listen("80", "443", "25 smtp", "119 nntp", "21 ftp", "8443 https")))
    told = dict(re.findall(r"socket port (\d+) (.*)", text))
    assert told == {"80": "speaks_first 0 tls 0", "443": "speaks_first 0 tls 1", "25": "speaks_first 0 tls 0",
                    "119": "speaks_first 1 tls 0", "21": "speaks_first 1 tls 0", "8443": "speaks_first 0 tls 1"}
