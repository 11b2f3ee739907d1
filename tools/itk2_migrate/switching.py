"""Loading mpm-itk2 instead of the MPM there is, and without the modules that chose identities before.

On Debian modules are links in mods-enabled, which a2enmod knows; elsewhere they are LoadModule lines.
"""
import os

from . import sources

MPMS = ("mpm_prefork_module", "mpm_event_module", "mpm_worker_module", "mpm_peruser_module")
# For <IfModule mpm_prefork_module> and <IfModule mpm_itk_module>, which ask for names that LoadModule has given.
LOADED = ("mpm_itk2_module", "mpm_prefork_module", "mpm_itk_module")
OTHERS = ("mpm_itk_module", "ruid2_module")
ENABLED = "mods-enabled"
DEBIAN_NAMES = {"mpm_event_module": "mpm_event", "mpm_worker_module": "mpm_worker", "mpm_itk_module": "mpm_itk",
                "ruid2_module": "ruid2", "mpm_peruser_module": "mpm_peruser"}


class Link:
    """A link to be made (`target`) or removed (None)."""

    def __init__(self, path, target):
        self.path, self.target = path, target


class Switch:
    """What it takes. `rehearsed`: httpd's name of a file -> bytes, where links change and no file does."""

    def __init__(self):
        self.links, self.rehearsed, self.obstacles, self.said = [], {}, [], []


def enabled_folder(load):
    """The mods-enabled folder that a LoadModule line was read from, or None."""
    folder = os.path.dirname(load.file)
    return folder if os.path.basename(folder) == ENABLED else None


def load_lines(module):
    """LoadModule lines for mpm-itk2; module is the path of mod_mpm_itk2.so."""
    return [os.fsencode('LoadModule %s "%s"' % (name, module)) for name in LOADED]


def plan(tree, files, edits, module):
    """The Switch for a server that does not run mpm-itk2 yet. module: the path of mod_mpm_itk2.so."""
    switch, loads = Switch(), [one for one in tree.loads if (one.words() or [""])[0] in MPMS + OTHERS]
    if tree.has_module("mpm_itk2.c"):
        return switch
    if not [one for one in loads if one.words()[0] in MPMS]:
        switch.obstacles.append((None, "no LoadModule line names an MPM: it is built in, and cannot be replaced"))
        return switch
    debian = [folder for folder in map(enabled_folder, loads) if folder]
    if debian:
        _by_links(switch, debian[0], loads, module)
    placed = False
    for load in [one for one in loads if not enabled_folder(one)]:
        try:
            source, line = files.find(load)
        except sources.NotFound as error:
            switch.obstacles.append((load, "this line has to go, and %s" % error))
            continue
        name = load.words()[0]
        if name in MPMS and not placed and not debian:
            placed = edits.replace(source, line, [sources.indentation(line) + text for text in load_lines(module)])
            switch.said.append("mpm_itk2_module is loaded instead of %s" % name)
        else:
            edits.replace(source, line, sources.commented_out(line))
            switch.said.append("%s is not loaded any more" % name)
    return switch


def _by_links(switch, folder, loads, module):
    available = os.path.join(os.path.dirname(folder), "mods-available")
    if not os.path.isfile(os.path.join(available, "mpm_itk2.load")):
        switch.obstacles.append((None, "%s is missing: install the package, which brings it" %
                                 os.path.join(available, "mpm_itk2.load")))
    for load in loads:
        name = load.words()[0]
        if enabled_folder(load) != folder:
            continue
        switch.rehearsed[load.file] = b""
        stem = DEBIAN_NAMES.get(name)
        # What stands in another module's .conf is converted, and so has to be read.
        for end in ([".load", ".conf"] if name in MPMS else [".load"]) if stem else ():
            path = os.path.join(folder, stem + end)
            if os.path.islink(path):
                switch.links.append(Link(path, None))
                switch.rehearsed[path] = b""
        if stem:
            switch.said.append("%s is disabled" % stem)
    first = next(load for load in loads if enabled_folder(load) == folder)
    switch.rehearsed[first.file] = b"\n".join(load_lines(module) + [b""])
    for stem in ("mpm_itk2", "mpm_prefork"):
        for end in (".load", ".conf"):
            path = os.path.join(folder, stem + end)
            if os.path.isfile(os.path.join(available, stem + end)) and not os.path.lexists(path):
                switch.links.append(Link(path, os.path.join("..", "mods-available", stem + end)))
    switch.said.append("mpm_itk2 is enabled")
