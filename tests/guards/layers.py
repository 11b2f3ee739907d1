#!/usr/bin/env python3
"""Folders include one way only. The table is the one under "Layers" in server/mpm/itk2/README.md."""
import posixpath
import re

from guard import SOURCE, run, table_rows

TABLE = SOURCE + "README.md"
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)
HTTPD_HEADER = re.compile(r"^(ap_|apr|httpd\.h|http_|util_|mod_|mpm_common|scoreboard|unixd)")
# C's own headers, and names of types: no system call in any of them.
STANDARD_WITH_H = {"errno.h", "limits.h", "stddef.h", "stdint.h", "stdlib.h", "string.h", "sys/types.h"}
REACH = {"standard": 0, "system": 1, "httpd": 2}


def layer_of(path):
    inside = path.removeprefix(SOURCE)
    return inside.split("/")[0] + "/" if "/" in inside else inside


def reach_of(header):
    if HTTPD_HEADER.match(header):
        return "httpd"
    return "system" if header.endswith(".h") and header not in STANDARD_WITH_H else "standard"


def read_table(tree):
    layers = {}
    for folder, may_include, headers in table_rows(tree.get(TABLE, ""), "Layers"):
        layers[folder.strip("`")] = (set(re.findall(r"`([^`]+)`", may_include)), headers)
    return layers


def reachable(path, tree, seen):
    """System headers this file's own includes lead to, each with the file that names it."""
    if path in seen:
        return
    seen.add(path)
    for kind, header in INCLUDE.findall(tree.get(path, "")):
        if kind == "<" or SOURCE + header not in tree:
            yield path, header
        else:
            yield from reachable(SOURCE + header, tree, seen)


def check(tree):
    layers = read_table(tree)
    violations, includes = [], 0
    if not layers:
        return [f"{TABLE}: no table under Layers"], "nothing"
    sources = tree.sources(".h", ".cc")
    for path, text in sorted(sources.items()):
        layer = layer_of(path)
        if layer not in layers:
            violations.append(f"{path}: {layer} is not in the table of {TABLE}")
            continue
        allowed, reach = layers[layer]
        for kind, header in INCLUDE.findall(text):
            includes += 1
            target = SOURCE + header
            if kind == "<":
                if REACH[reach_of(header)] > REACH[reach]:
                    violations.append(f"{path}: includes <{header}>, {layer} may include {reach} headers only")
            elif target not in tree and reach == "httpd" and reach_of(header) == "httpd":
                continue
            elif target not in tree:
                beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), header))
                hint = " (write the path from server/mpm/itk2)" if beside in tree else ""
                violations.append(f'{path}: includes "{header}", which does not exist{hint}')
            elif layer_of(target) != layer and layer_of(target) not in allowed:
                violations.append(f'{path}: includes "{header}", {layer} may not include {layer_of(target)}')
        if reach != "httpd":
            for where, header in reachable(path, tree, set()):
                if where != path and reach_of(header) == "httpd":
                    violations.append(f"{path}: sees httpd's types through {where} (<{header}>)")
    return violations, f"{len(sources)} files, {includes} includes, {len(layers)} layers"


def plant(path, line):
    return lambda tree: tree.having(SOURCE + path, line + "\n")


run("folders include only what the table allows", check, [
    ("plan/ includes os/", plant("plan/planted.h", '#include "os/fd.h"')),
    ("plan/ includes a system header", plant("plan/planted.h", "#include <unistd.h>")),
    ("listener/ includes httpd/", plant("listener/planted.cc", '#include "httpd/log.h"')),
    ("role/ includes httpd's headers", plant("role/planted.cc", "#include <httpd.h>")),
    ("base/ includes anything", plant("base/planted.h", '#include "wire/messages.h"')),
    ("a folder the table does not know", plant("misc/planted.h", "")),
    ("an include that is not written from the top", plant("wire/planted.h", '#include "messages.h"')),
    ("role/ sees httpd's types through a header",
     lambda tree: tree.having(SOURCE + "httpd/planted.h", "#include <httpd.h>\n")
                      .having(SOURCE + "role/planted.cc", '#include "httpd/planted.h"\n')),
])
