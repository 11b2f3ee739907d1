"""What the test sites serve: files that only their owner can read, and PHP that says who runs it.

In the tree of one test session (under /tmp, open to be passed through):
  sites/itk2tNNN/   0750, the user's; who.txt and who.php are 0400, so only the user (or root) can have served them
  shared/           0755, readable by all: the same bytes for httpds that run as anybody
"""
import os
import random
import subprocess
import textwrap
from pathlib import Path

from . import accounts

MTIME = 1_700_000_000  # one time for every file: ETag and Last-Modified are then equal everywhere

WHO_PHP = """<?php
    header("Content-Type: text/plain");
    $g = posix_getgroups(); sort($g);
    printf("%d %d %s %d %d %s\\n", posix_geteuid(), posix_getegid(), implode(",", $g), fileowner(__FILE__), getmypid(),
           $_SERVER["SERVER_NAME"]);
"""

# Announces itself in the file `started`, then waits until the file `go` is there.
WAIT_PHP = """<?php
    header("Content-Type: text/plain");
    $until = microtime(true) + 60;
    file_put_contents($_GET["started"] . ".new", getmypid()); rename($_GET["started"] . ".new", $_GET["started"]);
    while (!file_exists($_GET["go"]) && microtime(true) < $until) { usleep(20000); clearstatcache(); }
    echo getmypid(), "\\n";
"""

SHARED_PHP = {
    "echo.php": """<?php
        header("Content-Type: application/octet-stream");
        $body = file_get_contents("php://input");
        header("Content-Length: " . strlen($body));
        echo $body;
    """,
    "facts.php": """<?php
        header("Content-Type: text/plain");
        foreach (["REQUEST_METHOD", "REQUEST_URI", "QUERY_STRING", "SERVER_PROTOCOL", "SERVER_NAME",
                  "SERVER_ADDR", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT", "HTTP_HOST", "HTTPS", "DOCUMENT_ROOT",
                  "SCRIPT_NAME", "PHP_SELF", "CONTENT_LENGTH", "CONTENT_TYPE", "REQUEST_SCHEME",
                  "GATEWAY_INTERFACE", "UNIQUE"] as $name)
            echo $name, "=", $_SERVER[$name] ?? "(none)", "\\n";
        foreach (getallheaders() as $name => $value) echo $name, ": ", $value, "\\n";
        echo "sapi=", php_sapi_name(), " post_max_size=", ini_get("post_max_size"), "\\n";
        echo "post=", json_encode($_POST), " length=", strlen(file_get_contents("php://input")), "\\n";
    """,
    "flush.php": """<?php
        header("Content-Type: text/plain");
        for ($i = 0; $i < 5; $i++) { echo str_repeat(chr(97 + $i), 3000), "\\n"; flush(); }
    """,
    "status.php": """<?php
        http_response_code((int)($_GET["code"] ?? 200)); header("X-From: php");
        echo "code ", http_response_code(), "\\n";
    """,
    "redirect.php": """<?php header("Location: /small.txt", true, 302); echo "moved\\n";""",
    "env/env.php": """<?php echo "user_agent=", ini_get("user_agent"), " tag=", getenv("SITE_TAG"), "\\n";""",
}

CGI = """#!/bin/sh
facts=$(for name in REQUEST_METHOD REQUEST_URI SERVER_NAME SERVER_ADDR REMOTE_ADDR SCRIPT_NAME CONTENT_LENGTH; do
    eval "echo $name=\\$$name"
done; cat)
printf 'Content-Type: text/plain\\r\\nContent-Length: %d\\r\\n\\r\\n%s' ${#facts} "$facts"
"""


def _write(path, content, owner, mode):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
    os.chown(path, owner.uid, owner.gid)
    path.chmod(mode)
    os.utime(path, (MTIME, MTIME))


def static_content(owner):
    return f"served to you by {owner.name} {owner.uid} and nobody else\n"


class Tree:
    """The files of one test session."""

    def __init__(self, root):
        self.root = Path(root)
        self.root.chmod(0o755)
        self.shared = self.root / "shared"
        self.certificate = self.root / "certificate.pem"
        self.key = self.root / "key.pem"
        (self.root / "sites").mkdir()
        (self.root / "sites").chmod(0o755)
        for user in accounts.accounts():
            self._make_site(user)
        self._make_shared(accounts.account(1))
        self._make_certificate()

    def docroot(self, user):
        return self.root / "sites" / user.name

    def _make_site(self, user):
        docroot = self.docroot(user)
        docroot.mkdir()
        os.chown(docroot, user.uid, user.gid)
        docroot.chmod(0o750)
        _write(docroot / "who.txt", static_content(user), user, 0o400)
        _write(docroot / "who.php", WHO_PHP, user, 0o400)
        _write(docroot / "wait.php", WAIT_PHP, user, 0o400)

    def _make_shared(self, owner):
        files = {name: text for name, text in SHARED_PHP.items()}
        files |= {
            "index.html": "<!doctype html><title>index</title>\n",
            "small.txt": "0123456789abcdefghijklmnopqrstuvwxyz\n",
            "1k.html": "x" * 1024,
            "300k.bin": random.Random(3).randbytes(300 << 10),
            "10m.bin": random.Random(10).randbytes(10 << 20),
            "sub/index.html": "sub\n",
            "errors/404.php": '<?php echo "not here: ", $_SERVER["REDIRECT_URL"] ?? $_SERVER["REQUEST_URI"], "\\n";',
            "errors/plain.txt": "a plain error page\n",
            "env/.htaccess": 'php_value user_agent from-htaccess\nSetEnv SITE_TAG from-htaccess\n'
                             "Header set X-Htaccess yes\n",
            "rewrite/.htaccess": "RewriteEngine On\nRewriteRule ^a$ /small.txt [L]\n"
                                 "RewriteRule ^b$ /1k.html [R=302,L]\n",
            "secret/.htaccess": "Require all denied\n",
        }
        for name, content in files.items():
            _write(self.shared / name, content, owner, 0o644)
        _write(self.shared / "cgi-bin" / "facts.cgi", CGI, owner, 0o755)
        for directory, _, _ in os.walk(self.shared):
            os.chmod(directory, 0o755)
            os.utime(directory, (MTIME, MTIME))

    def _make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", self.key, "-out", self.certificate, "-days", "3650", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,DNS:*.test", "-addext",
                        "basicConstraints=critical,CA:FALSE"],
                       check=True, capture_output=True, timeout=60)
