#!/usr/bin/env python3
"""The module shows httpd its records and nothing else, and needs no C++ library: httpd unloads it at every restart."""
import re
import subprocess

from guard import ROOT, SOURCE, required_environment, run


def output(*command):
    return subprocess.run(command, check=True, text=True, capture_output=True).stdout


def read_binaries():
    module, listener = required_environment("ITK2_MODULE"), required_environment("ITK2_LISTENER")
    return {
        "map": (ROOT / SOURCE / "exports.map").read_text(),
        "defined": output("nm", "-D", "--defined-only", module),
        "undefined": output("nm", "-D", "--undefined-only", module),
        "dynamic": output("readelf", "-dW", module),
        "segments": output("readelf", "-lW", module),
        "listener header": output("readelf", "-hW", listener),
        "listener dynamic": output("readelf", "-dW", listener),
        "listener segments": output("readelf", "-lW", listener),
    }


def hardened(name, dynamic, segments):
    if "BIND_NOW" not in dynamic and not re.search(r"FLAGS.*\bNOW\b", dynamic):
        yield f"{name}: symbols are not bound at start (-z now)"
    if "GNU_RELRO" not in segments:
        yield f"{name}: no read-only relocations (-z relro)"
    if re.search(r"GNU_STACK.*RWE", segments):
        yield f"{name}: executable stack"
    if "TEXTREL" in dynamic or re.search(r"LOAD.*RWE", segments):
        yield f"{name}: writable code"


def check(binaries):
    violations = []
    records = set(re.findall(r"\b(\w+_module);", binaries["map"]))
    shown = {line.split()[-1]: line.split()[-2] for line in binaries["defined"].splitlines()}
    violations += [f"module: shows {name}, which exports.map does not name" for name in sorted(shown.keys() - records)]
    violations += [f"module: {name} is missing" for name in sorted(records - shown.keys())]
    violations += [f"module: {name} is a unique symbol" for name, kind in sorted(shown.items()) if kind == "u"]
    for line in binaries["undefined"].splitlines():
        name = line.split()[-1]
        if re.search(r"GLIBCXX|CXXABI", name) or re.match(r"(_Z|__cxa_guard|__cxa_throw|__gxx_)", name):
            violations.append(f"module: needs {name} of the C++ library")
    needed = re.findall(r"NEEDED.*\[([^]]+)\]", binaries["dynamic"])
    violations += [f"module: needs {library}" for library in needed if re.match(r"libstdc\+\+|libc\+\+", library)]
    violations += hardened("module", binaries["dynamic"], binaries["segments"])

    needed_by_listener = re.findall(r"NEEDED.*\[([^]]+)\]", binaries["listener dynamic"])
    violations += [f"listener: needs {library}" for library in needed_by_listener if re.match(r"libapr|libssl", library)]
    if not re.search(r"Type:\s+DYN", binaries["listener header"]):
        violations.append("listener: not position independent (-pie)")
    violations += hardened("listener", binaries["listener dynamic"], binaries["listener segments"])
    return violations, f"{len(shown)} symbols shown; module needs {', '.join(needed) or 'nothing'}"


def plant(part, line):
    return lambda binaries: {**binaries, part: binaries[part] + line + "\n"}


def without(part, text):
    return lambda binaries: {**binaries, part: re.sub(text, "", binaries[part])}


run("the module shows its records and needs no C++ library", check, [
    ("a symbol too many", plant("defined", "0000000000001139 T _ZN4itk26plantedEv")),
    ("a weak template of the standard library", plant("defined", "0000000000001139 W _ZNSt5arrayIiLm2EE4dataEv")),
    ("a record missing", plant("map", "planted_module;")),
    ("operator new", plant("undefined", "                 U _Znwm@GLIBCXX_3.4")),
    ("libstdc++", plant("dynamic", " 0x0000000000000001 (NEEDED)  Shared library: [libstdc++.so.6]")),
    ("late binding", without("dynamic", r"BIND_NOW|\bNOW\b")),
    ("an executable stack", plant("segments", "  GNU_STACK      0x000000 0x0 0x0 0x0 0x0 RWE 0x10")),
    ("a listener at a fixed address", without("listener header", "DYN")),
    ("a listener that loads APR", plant("listener dynamic", " 0x1 (NEEDED)  Shared library: [libapr-1.so.0]")),
], given=read_binaries())
