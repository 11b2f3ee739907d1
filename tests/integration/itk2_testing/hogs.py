"""Scripts of a site that take what they can get. Each ends by itself: by a size and within 20 seconds."""
from .private_files import write
from .waiting import poll

SECONDS = 20

# Memory that is written to, in steps of 1 MiB; then held.
MEMORY_PHP = f"""<?php
    header("Content-Type: text/plain");
    $until = microtime(true) + {SECONDS};
    $most = min(256, (int)$_GET["mib"]);
    $held = [];
    while (count($held) < $most && microtime(true) < $until) $held[] = str_repeat("x", (1 << 20) - 64);
    file_put_contents($_GET["sign"], count($held));
    while (!file_exists($_GET["go"]) && microtime(true) < $until) {{ usleep(20000); clearstatcache(); }}
    echo count($held), "\\n";
"""

SPIN_PHP = f"""<?php
    header("Content-Type: text/plain");
    $until = microtime(true) + {SECONDS};
    for ($i = 0; microtime(true) < $until; $i++) if ($i % 1000 == 0 && file_exists($_GET["go"])) break;
    echo $i, "\\n";
"""

# As many processes as it is told to start, or as there may be.
FORK_PHP = f"""<?php
    header("Content-Type: text/plain");
    $most = min(120, (int)$_GET["count"]);
    exec("n=0; while [ \\$n -lt $most ]; do sleep {SECONDS} & n=\\$((n+1)); done >/dev/null 2>&1; wait", $none, $status);
    echo $status, "\\n";
"""

FILES_PHP = """<?php
    header("Content-Type: text/plain");
    $held = [];
    while (count($held) < 3000 && ($file = @fopen("/dev/null", "r"))) $held[] = $file;
    echo count($held), "\\n";
"""

SCRIPTS = {"memory": MEMORY_PHP, "spin": SPIN_PHP, "fork": FORK_PHP, "files": FILES_PHP}
UNLIMITED_PHP = "php_admin_value memory_limit -1"  # PHP's own bound is not what is tested


def install(docroot, owner):
    for name, text in SCRIPTS.items():
        path = docroot / f"{name}.php"
        if not path.exists():
            write(path, text, owner)


def signs(server):
    """A folder that any site's script may write to."""
    folder = server.directory / "signs"
    if not folder.exists():
        folder.mkdir()
        folder.chmod(0o1777)
    return folder


def wait_for(sign):
    return poll(lambda: sign.exists() and sign.read_text(), f"no {sign.name}")
