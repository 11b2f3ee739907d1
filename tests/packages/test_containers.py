"""The container image: its Dockerfile read, its steps taken in roots of their own, and httpd started in what came out
with the capabilities that a container engine would leave it."""
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rpm_and_containers_root import TOP, Root, ask, below, free_port, lacking, why_not

LACKING = lacking("shellcheck", "setpriv", "apache2", "apxs")
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

DOCKERFILE = TOP / "containers/Dockerfile"
# What Docker leaves a container that was told nothing.
DOCKER = ("chown dac_override fsetid fowner mknod net_raw setgid setuid setfcap setpcap net_bind_service sys_chroot "
          "kill audit_write").split()
LEAST = "setuid setgid setpcap kill net_bind_service".split()
USERS = {"one.test": 31021, "two.test": 31022}


@dataclass
class Instruction:
    name: str
    text: str


@dataclass
class Stage:
    base: str
    name: str
    steps: list = field(default_factory=list)


def instructions():
    """As the builder reads them: comment lines go, also those between continued lines."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", "\x00").splitlines():
        if line.strip():
            name, _, text = line.partition(" ")
            yield Instruction(name, text.replace("\x00", "\\\n").strip())


def stages():
    found = []
    for step in instructions():
        if step.name == "FROM":
            words = step.text.split()
            found.append(Stage(words[0], words[2] if len(words) > 1 else str(len(found))))
        elif found:
            found[-1].steps.append(step)
    return found


# -- the file -----------------------------------------------------------------------------------------------------

def test_dockerfile_has_known_instructions_in_two_stages():
    assert [step.name for step in instructions()][:2] == ["ARG", "FROM"]
    assert {step.name for step in instructions()} <= {"ARG", "FROM", "RUN", "COPY", "WORKDIR"}
    build, image = stages()
    assert build.name == "build" and build.base == image.base == "${PHP_IMAGE}"
    copied = [step.text for step in image.steps if step.name == "COPY"]
    assert "--from=build /image/ /" in copied


def test_dockerfile_copies_what_is_there():
    for step in instructions():
        if step.name == "COPY" and not step.text.startswith("--from="):
            assert (TOP / step.text.split()[0]).exists(), step.text


@pytest.mark.parametrize("number", range(4))
def test_every_run_line_is_clean_shell(number):
    runs = [step.text for step in instructions() if step.name == "RUN"]
    assert len(runs) == 4
    done = subprocess.run(["shellcheck", "--shell=sh", "-"], input="#!/bin/sh\n" + runs[number] + "\n", text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stdout
    if "apt-get install" in runs[number]:
        assert "--no-install-recommends" in runs[number] and "rm -rf /var/lib/apt/lists/*" in runs[number]


# -- its steps ----------------------------------------------------------------------------------------------------

def like_php_image(place):
    """A root in the state of PHP's image as far as httpd's configuration goes: Debian's PHP in the place of its own."""
    place.mkdir()
    root = Root(place)
    root.run("sh", "-ec", """
        cd /etc/apache2/mods-enabled
        rm -f mpm_*.load mpm_*.conf cgid.* http2.*
        rm -f ../sites-enabled/* ../conf-enabled/mpm_*
        a2enmod -q mpm_prefork php*.*
    """.replace("php*.*", next(Path("/etc/apache2/mods-available").glob("php*.load")).stem))
    return root


def take(root, stage, others):
    """The steps of a stage, as the builder takes them."""
    folder = "/"
    for step in stage.steps:
        if step.name == "WORKDIR":
            folder = step.text
            root.make_folder(folder)
        elif step.name == "RUN":
            root.run("sh", "-c", f"cd {shlex.quote(folder)}\n{step.text}",
                     environment={"DEBIAN_FRONTEND": "noninteractive"})
        elif step.name == "COPY":
            words = step.text.split()
            source = TOP / words[0]
            if words[0].startswith("--from="):
                source, words = others[words[0][len("--from="):]].upper / words[1].strip("/"), words[1:]
            target = root.upper / words[1].strip("/")
            if source.is_dir():
                root.make_folder(words[1])
                for entry in sorted(source.rglob("*")):
                    if set(entry.relative_to(source).parts) & {"build", ".git", "__pycache__", "autom4te.cache"}:
                        continue
                    path = "/" + str((target / entry.relative_to(source)).relative_to(root.upper))
                    if entry.is_dir():
                        root.make_folder(path)
                    elif entry.is_file():
                        root.make_folder(str(Path(path).parent))
                        shutil.copy(entry, root.upper / path.lstrip("/"))
            else:
                root.make_folder(words[1])
                shutil.copy(source, target)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("containers")
    roots = {}
    for stage in stages():
        roots[stage.name] = like_php_image(place / stage.name)
        take(roots[stage.name], stage, roots)
    made = roots[stages()[-1].name]
    made.port = free_port()
    made.write("/etc/apache2/ports.conf", f"Listen 127.0.0.1:{made.port}\n")
    for name, uid in USERS.items():
        made.make_folder("/srv")
        made.make_folder(f"/srv/{name}", 0o700, uid)
        made.write(f"/srv/{name}/private.txt", f"only {uid}\n", 0o600, uid)
        made.write(f"/srv/{name}/who.php", "<?php echo posix_geteuid();", 0o600, uid)
        # Its sleep is nobody's child as soon as the shell has ended.
        made.write(f"/srv/{name}/orphan.php", '<?php exec("sleep 0.3 >/dev/null 2>&1 &"); echo "left";', 0o600, uid)
    yield made
    made.stop()


def write_sites(root, server="", site=""):
    sites = "".join(f"<VirtualHost *:{root.port}>\nServerName {name}\nDocumentRoot /srv/{name}\n{site}\n"
                    f"AssignUserID #{uid} #{uid}\n</VirtualHost>\n" for name, uid in USERS.items())
    root.write("/etc/apache2/sites-enabled/sites.conf",
               f"ServerName localhost\nErrorLog /dev/stderr\n{server}\n{sites}"
               "<Directory /srv>\nRequire all granted\n</Directory>\n")


def limited(capabilities, *more):
    """What an engine does: the bounding set, and nothing to inherit."""
    allowed = "".join(f",+{name}" for name in capabilities)
    return ["setpriv", f"--bounding-set=-all{allowed}", "--inh-caps=-all", *more]


FOREGROUND = ["sh", "-c",
              ". /etc/apache2/envvars; mkdir -p $APACHE_RUN_DIR $APACHE_LOCK_DIR; exec apache2 -DFOREGROUND"]


def start(root, capabilities, *more):
    return root.start(*limited(capabilities, *more), *FOREGROUND)


def serves_each_as_its_user(root, server):
    for name, uid in USERS.items():
        assert ask(root.port, name, "/private.txt", server) == (200, f"only {uid}\n"), root.said()
        assert ask(root.port, name, "/who.php", server) == (200, str(uid)), root.said()


def refusal(root, capabilities, *more):
    server = start(root, capabilities, *more)
    server.wait(30)
    assert server.returncode != 0
    lines = [line for line in root.said().splitlines() if "ITK2" in line]
    assert len(lines) == 1, root.said()
    return lines[0]


@pytest.fixture(autouse=True)
def stopped(request):
    yield
    if "image" in request.fixturenames:
        request.getfixturevalue("image").stop()


def test_image_has_the_module_and_its_listener_and_the_accounts(image):
    write_sites(image)
    said = image.run("sh", "-c", ". /etc/apache2/envvars; mkdir -p $APACHE_RUN_DIR; apache2 -M; apache2 -V").stdout
    assert "mpm_itk2_module (shared)" in said and re.search(r"Server MPM: +itk", said)
    assert re.search(r" php\d*_module", said)
    passwd = image.read("/etc/passwd")
    assert all(re.search(rf"^{name}:", passwd, re.M) for name in ("itk2-listener", "itk2-spare", "itk2-parser"))


def test_with_what_docker_leaves_it_serves_each_site_as_its_user(image):
    write_sites(image)
    server = start(image, DOCKER)
    serves_each_as_its_user(image, server)


def test_with_the_least_it_serves_each_site_as_its_user(image):
    write_sites(image)
    server = start(image, LEAST, "--no-new-privs")
    serves_each_as_its_user(image, server)


@pytest.mark.parametrize("missing", ["setuid", "setgid", "setpcap", "kill"])
def test_without_one_of_these_it_does_not_start_and_one_line_names_it(image, missing):
    write_sites(image)
    line = refusal(image, [name for name in DOCKER if name != missing])
    assert "ITK2813" in line and f"CAP_{missing.upper()}" in line
    assert line.count("CAP_") == 1, line


def test_without_any_the_one_line_names_all_of_them(image):
    write_sites(image)
    line = refusal(image, [])
    assert all(name in line for name in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL"))


def test_nice_value_needs_one_more(image):
    write_sites(image, site="NiceValue 5")
    assert "CAP_SYS_NICE" in refusal(image, DOCKER)
    server = start(image, [*DOCKER, "sys_nice"])
    serves_each_as_its_user(image, server)


def test_parsers_need_one_more(image):
    other = 31029
    image.make_folder("/srv/open", 0o755)
    image.write("/srv/open/who.php", "<?php echo posix_geteuid();", 0o644)
    write_sites(image, server="Alias /open /srv/open\n<Directory /srv/open>\n"
                              f"AssignUserID #{other} #{other}\n</Directory>")
    assert "CAP_SYS_ADMIN" in refusal(image, DOCKER)
    server = start(image, [*DOCKER, "sys_admin"])
    serves_each_as_its_user(image, server)
    assert ask(image.port, "one.test", "/open/who.php", server) == (200, str(other)), image.said()


def test_not_started_by_root_it_refuses_sites_of_other_users(image):
    write_sites(image)
    image.make_folder("/tmp/run")
    (image.upper / "tmp/run").chmod(0o1777)
    server = image.start("setpriv", "--reuid=33", "--regid=33", "--clear-groups", "--inh-caps=-all", "sh", "-c",
                         ". /etc/apache2/envvars; export APACHE_RUN_DIR=/tmp/run APACHE_LOCK_DIR=/tmp/run "
                         "APACHE_PID_FILE=/tmp/run/pid APACHE_LOG_DIR=/tmp/run; exec apache2 -DFOREGROUND")
    server.wait(30)
    assert server.returncode != 0 and "ITK2814" in image.said()


def test_as_process_1_it_serves_reaps_orphans_and_stops_when_told(image):
    write_sites(image)
    server = image.start("setpriv", "--inh-caps=-all", "unshare", "--pid", "--fork", "--kill-child=TERM", "--mount-proc", *FOREGROUND)
    serves_each_as_its_user(image, server)
    for name in USERS:
        assert ask(image.port, name, "/orphan.php", server) == (200, "left")
    poll_until(lambda: not [process for process in below(server.pid) if process.title == "sleep 0.3"], "it sleeps")
    first = next(process for process in below(server.pid) if process.pid_in_there == 1)
    assert first.title == "itk2: master"
    poll_until(lambda: not [process for process in below(first.pid) if process.state == "Z"], "zombies stay")
    os.kill(first.pid, signal.SIGWINCH)
    server.wait(30)
    assert "ITK2002" in image.said()


def poll_until(condition, what, deadline=10):
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)
