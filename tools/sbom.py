#!/usr/bin/env python3
"""Writes an SPDX 2.3 document (JSON) that says what built programs consist of.

usage: sbom.py OUT --version V [--header-package PACKAGE]… [--npm-lock PROGRAM=FILE] PROGRAM…

The script finds shared libraries with ldd; --header-package names static libraries and header-only packages. dpkg's record says to
which package and version each belongs, and /usr/share/doc/PACKAGE/copyright names its licences where that file is machine-readable.
The same inputs give the same bytes: the time of creation is SOURCE_DATE_EPOCH, or that of the newest program.
"""
import argparse
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
from urllib.parse import quote


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout


def shared_libraries(program):
    """Returns the paths of the libraries that the loader takes for a program."""
    found = set()
    for line in run("ldd", program).splitlines():
        if "not found" in line:
            raise SystemExit(f"sbom.py: {program}: {line.strip()}")
        match = re.search(r"(/\S+) \(0x", line)
        if match:
            found.add(os.path.realpath(match.group(1)))
    return found


def owners(paths):
    """Returns dpkg's package for each path. A path under /usr may be recorded without that prefix, as before the merge of /usr."""
    names = {name: path for path in sorted(paths) for name in (path, path.removeprefix("/usr"), "/usr" + path)}
    # If dpkg has no record of a name it fails, but it still answers for the other names.
    answer = subprocess.run(["dpkg-query", "-S", *names], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    out = {}
    for line in answer.stdout.splitlines():
        package, _, name = line.rpartition(": ")
        if name in names:
            out[names[name]] = package.split(",")[0].strip()
    for path in sorted(paths):
        if path not in out:
            raise SystemExit(f"sbom.py: no package owns {path}")
    return out


def licences(package):
    """Returns the SPDX expression of the licences that a machine-readable copyright file names, and NOASSERTION for any other file."""
    try:
        with open(f"/usr/share/doc/{package.split(':')[0]}/copyright", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return "NOASSERTION", []
    if not re.match(r"Format:.*copyright-format", text):
        return "NOASSERTION", []
    names = sorted({name.strip() for name in re.findall(r"^License:[ \t]*(\S.*)$", text, re.M)})
    return ("NOASSERTION" if not names else spdx_expression(names)), names


# Debian's short names of licences where they differ from SPDX's.
SPDX = {"Apache-2.0": "Apache-2.0", "BSD-2-clause": "BSD-2-Clause", "BSD-3-clause": "BSD-3-Clause", "BSL-1.0": "BSL-1.0",
        "Expat": "MIT", "MIT": "MIT", "GPL-2": "GPL-2.0-only", "GPL-2+": "GPL-2.0-or-later", "GPL-3": "GPL-3.0-only",
        "GPL-3+": "GPL-3.0-or-later", "ISC": "ISC", "LGPL-2": "LGPL-2.0-only", "LGPL-2+": "LGPL-2.0-or-later",
        "LGPL-2.1": "LGPL-2.1-only", "LGPL-2.1+": "LGPL-2.1-or-later", "LGPL-3": "LGPL-3.0-only", "LGPL-3+": "LGPL-3.0-or-later",
        "MPL-2.0": "MPL-2.0", "Zlib": "Zlib", "zlib": "Zlib"}


def spdx_expression(names):
    """Returns NOASSERTION if any of the licences is not known: a part of an expression would claim what nobody said."""
    if any(name not in SPDX for name in names):
        return "NOASSERTION"
    return " AND ".join(sorted({SPDX[name] for name in names}))


def identifier(kind, name):
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def system_package(name):
    version, source = run("dpkg-query", "-W", "-f", "${Version}\t${source:Package}", name).split("\t")
    expression, named = licences(name)
    plain = name.split(":")[0]
    out = {"SPDXID": identifier("deb", plain), "name": plain, "versionInfo": version, "supplier": "Organization: Debian",
           "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "NOASSERTION",
           "licenseDeclared": expression, "copyrightText": "NOASSERTION", "sourceInfo": f"built from the Debian source package {source}",
           "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                             "referenceLocator": f"pkg:deb/debian/{quote(plain)}@{quote(version)}"}]}
    if named:
        out["licenseComments"] = "Licences in Debian's copyright file: " + "; ".join(named)
    return out


def npm_packages(path):
    with open(path, encoding="utf-8") as file:
        lock = json.load(file)
    for place, entry in sorted(lock.get("packages", {}).items()):
        if not place or entry.get("dev") or entry.get("link"):
            continue
        name, version = place.rsplit("node_modules/", 1)[-1], entry["version"]
        yield {"SPDXID": identifier("npm", f"{name}-{version}"), "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
               "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
               "copyrightText": "NOASSERTION",
               "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                 "referenceLocator": f"pkg:npm/{quote(name)}@{version}"}]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--version", required=True)
    parser.add_argument("--header-package", action="append", default=[], help="a Debian package whose headers or static library are compiled in")
    parser.add_argument("--npm-lock", type=lambda text: text.split("=", 1), default=[None, None], metavar="PROGRAM=FILE",
                        help="the package-lock.json of the part of this program that is built from npm packages")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()

    packages, relations, digests = {}, [], []
    for program in sorted(options.program):
        with open(program, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        digests.append(digest)
        name = os.path.basename(program)
        own = identifier("program", name)
        packages[own] = {"SPDXID": own, "name": name, "versionInfo": options.version, "downloadLocation": "NOASSERTION",
                         "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
                         "copyrightText": "NOASSERTION", "checksums": [{"algorithm": "SHA256", "checksumValue": digest}]}
        relations.append(("SPDXRef-DOCUMENT", "DESCRIBES", own))
        for kind, names in (("DYNAMIC_LINK", set(owners(shared_libraries(program)).values())),
                            ("DEPENDS_ON", set(options.header_package))):
            for package in names:
                entry = system_package(package)
                packages[entry["SPDXID"]] = entry
                relations.append((own, kind, entry["SPDXID"]))
        if name == options.npm_lock[0]:
            for entry in npm_packages(options.npm_lock[1]):
                packages[entry["SPDXID"]] = entry
                relations.append((own, "CONTAINS", entry["SPDXID"]))

    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or max(int(os.path.getmtime(p)) for p in options.program))
    created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    whole = hashlib.sha256("".join(digests + sorted(p["name"] + p["versionInfo"] for p in packages.values())).encode()).hexdigest()
    document = {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"vedette-{options.version}",
                "documentNamespace": f"urn:vedette:sbom:{options.version}:{whole}",
                "creationInfo": {"created": created, "creators": ["Tool: vedette-sbom"]},
                "packages": [packages[key] for key in sorted(packages)],
                "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b}
                                  for a, kind, b in sorted(relations)]}
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
