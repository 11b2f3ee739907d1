"""Test modules of httpd, built with apxs."""
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "modules"


class Compiler:
    """compiler(name): the LoadModule line of modules/mod_NAME.c, built once into a folder below `root`."""

    def __init__(self, root):
        self.root, self.made = root, {}

    def __call__(self, name):
        if name not in self.made:
            folder = self.root / f"module-{name}"
            folder.mkdir()
            shutil.copy(SOURCES / f"mod_{name}.c", folder)
            done = subprocess.run(["apxs", "-c", f"mod_{name}.c"], cwd=folder, capture_output=True, text=True,
                                  timeout=120)
            assert done.returncode == 0, done.stdout + done.stderr
            self.made[name] = f"LoadModule {name}_module {folder}/.libs/mod_{name}.so"
        return self.made[name]
